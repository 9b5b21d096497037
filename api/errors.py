"""Errors outside of any view: JSON with a sentence under /api/, Django's own pages elsewhere."""

from django.core.exceptions import DisallowedHost
from django.http import HttpResponse
from django.views import defaults

from wallpush.message import encode_message


def bad_request(request, exception):
    sentence = "This request can not be understood."
    if isinstance(exception, DisallowedHost):
        sentence = "This host name is not one of WALLPUSH_ALLOWED_HOSTS."
    return _answer(request, 400, sentence) or defaults.bad_request(request, exception)


def not_found(request, exception):
    sentence = f"There is nothing at {request.path}. See /api/ for what there is."
    return _answer(request, 404, sentence) or defaults.page_not_found(request, exception)


def server_error(request):
    sentence = "Something went wrong here. It was logged; please try again later."
    return _answer(request, 500, sentence) or defaults.server_error(request)


def _answer(request, status, sentence):
    if request.path.startswith("/api/"):
        body = encode_message({"detail": sentence})
        return HttpResponse(body, status=status, content_type="application/json")
    return None
