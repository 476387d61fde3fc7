"""A verdict and its cause, as people read it."""

from threelocks.alert.mail import Mail, compose, short_mail
from threelocks.alert.together import AT_ONCE, Told, likeness, together

__all__ = ["AT_ONCE", "Mail", "Told", "compose", "likeness", "short_mail", "together"]
