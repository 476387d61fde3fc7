"""A verdict and its cause, as people read it."""

from threelocks.alert.card import card, card_of_many, short_card
from threelocks.alert.event import event, short_event
from threelocks.alert.mail import Mail, compose, short_mail
from threelocks.alert.together import AT_ONCE, Told, likeness, together

__all__ = [
    "AT_ONCE",
    "Mail",
    "Told",
    "card",
    "card_of_many",
    "compose",
    "event",
    "likeness",
    "short_card",
    "short_event",
    "short_mail",
    "together",
]
