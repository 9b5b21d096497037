"""For the people who run a wall: what came in, what was set aside, and what goes from every screen."""

import json

from django.contrib import admin, messages
from django.db import transaction
from django.utils.html import format_html

from .models import Author, Keyword, Lease, SetAside, Tally, Tweet, fold_text
from .publish import hide_tweets, show_tweets
from .tasks import announce

admin.site.site_header = admin.site.site_title = "wallpush"


class ReadOnlyAdmin(admin.ModelAdmin):
    """What the worker writes, people look at."""

    list_per_page = 50
    # Counting a million rows twice per page costs more than the page.
    show_full_result_count = False

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Tweet)
class TweetAdmin(ReadOnlyAdmin):
    """Tweets are never deleted here: a screen that shows one would keep it. Hiding takes it from all of them."""

    actions = ["hide_from_every_wall", "show_again"]
    list_display = ["created_at", "author", "shown_text", "lang", "is_shown", "is_published"]
    list_display_links = ["shown_text"]
    list_select_related = ["author"]
    list_filter = [
        ("hidden_at", admin.EmptyFieldListFilter),
        ("published_at", admin.EmptyFieldListFilter),
        "has_media",
    ]
    ordering = ["-created_at", "-id"]
    search_fields = ["search__contains"]
    search_help_text = "Words of the text, @username, or the id of a tweet"
    fields = [
        *(
            "source_id",
            "version_id",
            "source",
            "author",
            "keyword_list",
            "created_at",
            "text",
            "lang",
        ),
        *("sensitive", "stored_at", "changed_at", "published_at", "receivers", "hidden_at"),
        *("pretty_content", "pretty_raw"),
    ]
    readonly_fields = fields

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw", "search")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if term.startswith("@"):
            return queryset.filter(author__username__lower=term[1:].lower()), False
        if term.isdigit() and (found := queryset.filter(source_id=term)).exists():
            return found, False
        return super().get_search_results(request, queryset, fold_text(term))

    @admin.display(description="text")
    def shown_text(self, tweet):
        return tweet.text[:140] or "(no text)"

    @admin.display(boolean=True, description="shown")
    def is_shown(self, tweet):
        return tweet.hidden_at is None

    @admin.display(boolean=True, description="published")
    def is_published(self, tweet):
        return tweet.published_at is not None

    @admin.display(description="keywords")
    def keyword_list(self, tweet):
        return ", ".join(sorted(keyword.term for keyword in tweet.keywords.all())) or "-"

    @admin.display(description="content")
    def pretty_content(self, tweet):
        return _pretty(tweet.content)

    @admin.display(description="raw")
    def pretty_raw(self, tweet):
        return _pretty(tweet.raw)

    @admin.action(description="Hide from every wall", permissions=["moderate"])
    def hide_from_every_wall(self, request, queryset):
        self._moderate(request, hide_tweets, queryset, "hidden from every wall")

    @admin.action(description="Show again", permissions=["moderate"])
    def show_again(self, request, queryset):
        self._moderate(request, show_tweets, queryset, "shown again")

    def has_moderate_permission(self, request):
        return request.user.has_perm("api.change_tweet")

    def _moderate(self, request, change, queryset, outcome):
        pks = change(list(queryset.values_list("pk", flat=True)))
        transaction.on_commit(lambda: announce(pks))
        tweets = "1 tweet is" if len(pks) == 1 else f"{len(pks)} tweets are"
        self.message_user(request, f"{tweets} {outcome}.", messages.SUCCESS)


@admin.register(Author)
class AuthorAdmin(ReadOnlyAdmin):
    list_display = ["source_id", "username", "name", "verified", "protected", "source"]
    ordering = ["-id"]
    search_fields = ["username__lower", "source_id__exact"]
    search_help_text = "The username or the id"

    def get_search_results(self, request, queryset, search_term):
        return super().get_search_results(request, queryset, search_term.removeprefix("@").lower())


@admin.register(Keyword)
class KeywordAdmin(ReadOnlyAdmin):
    list_display = ["term", "first_seen_at"]
    ordering = ["term"]
    search_fields = ["term"]


@admin.register(SetAside)
class SetAsideAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "source", "kind", "reason"]
    list_display_links = ["reason"]
    list_filter = ["kind", "source"]
    ordering = ["-received_at"]
    search_fields = ["reason", "message"]


@admin.register(Tally)
class TallyAdmin(ReadOnlyAdmin):
    list_display = ["day", "source", "outcome", "count"]
    list_filter = ["source", "outcome"]
    ordering = ["-day", "source", "outcome"]


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    list_display = ["source", "holder", "acquired_at", "heartbeat_at", "last_message_at"]
    ordering = ["source"]


def _pretty(value):
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
