from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from . import views

docs = SpectacularSwaggerSplitView.as_view(template_name="api/docs.html")

api = [
    path("", views.Root.as_view(), name="root"),
    path("tweets/", views.Tweets.as_view(), name="tweets"),
    path("tweets/<str:id>/", views.OneTweet.as_view(), name="tweet"),
    path("authors/", views.Authors.as_view(), name="authors"),
    path("authors/<str:id>/", views.OneAuthor.as_view(), name="author"),
    path("keywords/", views.Keywords.as_view(), name="keywords"),
    path("tracks/", views.Tracks.as_view(), name="tracks"),
    path("tracks/<str:id>/", views.OneTrack.as_view(), name="track"),
    path("stats/", views.Stats.as_view(), name="stats"),
    path("health/", views.Health.as_view(), name="health"),
    path("metrics/", views.Metrics.as_view(), name="metrics"),
    path("wall/", views.Wall.as_view(), name="wall"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs, name="docs"),
]

urlpatterns = [
    path("api/", include(api)),
    path("admin/", admin.site.urls),
]
handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
