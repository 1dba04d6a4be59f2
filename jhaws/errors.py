"""The errors jhaws raises.

JhawsError
├── ConfigError        an option is wrong; the hub does not start
├── LocalError         the embedded cluster or the demo cannot do what was asked
└── TellableError      somebody in a browser may read it, in their language
    ├── PasswordError  a new password or a one-time code is no good; nothing was changed
    └── UsernameError  a user name cannot be used safely; that start or login is refused

Every message is a sentence for a tired operator: which setting or object, the rule, what was got, what to do
next. A message never holds a password, a token or a whole model.
"""

from .sentences import Sentence


class JhawsError(Exception):
    """Whatever jhaws refuses; catch this to catch them all."""


class ConfigError(JhawsError):
    """An option has a wrong name, type or value, so the hub must not start with it."""


class LocalError(JhawsError):
    """The embedded cluster or the demo cannot do what was asked."""


class TellableError(JhawsError):
    """An error that the REST API tells in the language of whoever asked.

    Attributes:
        sentence: The message, which can be translated; `str` of the error is English text.
    """

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class PasswordError(TellableError):
    """A new password or a one-time code is not accepted.

    Attributes:
        reason: One word by which a page finds its own sentence.
    """

    def __init__(self, reason: str, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.reason = reason


class UsernameError(TellableError):
    """A user name cannot become a folder, a label or an IAM role without a risk."""
