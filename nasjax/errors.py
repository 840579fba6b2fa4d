"""The one error a user can cause: printed as a single line, without a traceback."""


class UserError(ValueError):
    """Something the user asked for cannot be done.

    The message is one line that names the key, its value and the allowed ones, or what to type.
    """
