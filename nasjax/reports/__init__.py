"""Tools that all reports share: templates, figures and their colours."""
