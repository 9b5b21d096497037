class NginxError(Exception):
    """nginx is missing, cannot be installed, or does not start. The message says what to do."""
