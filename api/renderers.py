from rest_framework.renderers import BaseRenderer, JSONRenderer

from wallpush.message import encode_message


class MessageRenderer(BaseRenderer):
    """JSON as it is pushed: a tweet from REST is the message that was published for it."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data, accepted_media_type=None, renderer_context=None):
        if data is None:
            return b""
        if "indent" in (renderer_context or {}):  # the browsable API, for people
            return JSONRenderer().render(data, accepted_media_type, renderer_context)
        return encode_message(data)


class MetricsRenderer(BaseRenderer):
    """Text that is written already."""

    media_type = "text/plain"
    format = "txt"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return data if isinstance(data, bytes) else encode_message(data)
