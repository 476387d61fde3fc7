"""A verdict and its cause, as people read it."""

from threelocks.alert.mail import Mail, compose, short_mail

__all__ = ["Mail", "compose", "short_mail"]
