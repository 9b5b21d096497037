"""For the people who run a wall: what it watches for, what came in, what it cost, and what goes from every screen."""

import json

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.html import format_html, format_html_join

from .controls import find_cost, set_budget, start_source, stop_source
from .models import (
    Author,
    Gap,
    Keyword,
    Lease,
    ReadDay,
    SetAside,
    SourceState,
    Tally,
    Track,
    Tweet,
    fold_text,
)
from .publish import hide_tweets, show_tweets
from .removal import purge_authors, purge_tweets
from .tasks import announce
from .tracks import (
    TrackError,
    TrackOfSettings,
    add_track,
    describe_track,
    is_of_settings,
    look_up,
    remove_track,
    tell_known,
    tell_next,
)

MAX_PURGED = 500

admin.site.site_header = admin.site.site_title = "wallpush"


def confirm_purge(model_admin, request, queryset, purge):
    """Asks first: what is removed for good does not come back. Then does it, and tells the screens."""
    if queryset.count() > MAX_PURGED:
        sentence = f"Up to {MAX_PURGED} are removed at a time: choose fewer."
        model_admin.message_user(request, sentence, messages.ERROR)
        return None
    if "confirmed" not in request.POST:
        return render(
            request,
            "admin/api/remove_for_good.html",
            model_admin.admin_site.each_context(request)
            | {"title": "Remove for good?", "opts": model_admin.model._meta, "rows": queryset},
        )
    pks = purge()
    transaction.on_commit(lambda: announce(pks))
    tweets = "1 tweet was" if len(pks) == 1 else f"{len(pks)} tweets were"
    sentence = f"{tweets} removed, or changed because they quoted one."
    model_admin.message_user(request, sentence, messages.SUCCESS)
    return None


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

    actions = ["hide_from_every_wall", "show_again", "remove_for_good"]
    list_display = ["created_at", "author", "shown_text", "lang", "visibility", "is_published"]
    list_display_links = ["shown_text"]
    list_select_related = ["author"]
    list_filter = [
        ("hidden_at", admin.EmptyFieldListFilter),
        ("removed_at", admin.EmptyFieldListFilter),
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
        *("removed_at", "removal", "checked_at"),
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

    @admin.display(description="shown")
    def visibility(self, tweet):
        if tweet.removed_at:
            return f"removed ({tweet.removal or 'on request'})"
        return "hidden" if tweet.hidden_at else "shown"

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

    @admin.action(description="Remove for good", permissions=["purge"])
    def remove_for_good(self, request, queryset):
        ids = list(queryset.filter(removed_at=None).values_list("source_id", flat=True))
        return confirm_purge(self, request, queryset, lambda: purge_tweets(ids))

    def has_moderate_permission(self, request):
        return request.user.has_perm("api.change_tweet")

    def has_purge_permission(self, request):
        return request.user.has_perm("api.delete_tweet")

    def _moderate(self, request, change, queryset, outcome):
        pks = change(list(queryset.values_list("pk", flat=True)))
        transaction.on_commit(lambda: announce(pks))
        tweets = "1 tweet is" if len(pks) == 1 else f"{len(pks)} tweets are"
        self.message_user(request, f"{tweets} {outcome}.", messages.SUCCESS)


@admin.register(Author)
class AuthorAdmin(ReadOnlyAdmin):
    actions = ["remove_for_good"]
    list_display = ["source_id", "username", "name", "verified", "protected", "source"]
    ordering = ["-id"]
    search_fields = ["username__lower", "source_id__exact"]
    search_help_text = "The username or the id"

    def get_search_results(self, request, queryset, search_term):
        return super().get_search_results(request, queryset, search_term.removeprefix("@").lower())

    @admin.action(description="Remove for good, with all their tweets", permissions=["purge"])
    def remove_for_good(self, request, queryset):
        ids = list(queryset.values_list("source_id", flat=True))
        return confirm_purge(self, request, queryset, lambda: purge_authors(ids))

    def has_purge_permission(self, request):
        return request.user.has_perm("api.delete_author")


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


class TrackForm(forms.ModelForm):
    class Meta:
        model = Track
        fields = ["text"]
        widgets = {"text": forms.TextInput(attrs={"size": 60})}
        help_texts = {"text": 'A word, #hashtag, @name, "a phrase" or from:account.'}

    def clean_text(self):
        try:
            subject, known = look_up(self.cleaned_data["text"])
        except TrackError as error:
            raise forms.ValidationError(str(error)) from error
        if known:
            raise forms.ValidationError(tell_known(known))
        return subject.text


@admin.register(Track)
class TrackAdmin(admin.ModelAdmin):
    form = TrackForm
    list_display = ["text", "kind", "term", "shown_rulings", "origin", "added_by", "added_at"]
    list_filter = ["origin", "rulings__state"]
    list_per_page = 100
    ordering = ["-id"]
    search_fields = ["text", "term"]
    actions = ["stop_watching"]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("rulings")

    def get_fields(self, request, obj=None):
        return self.list_display if obj else ["text"]

    def get_readonly_fields(self, request, obj=None):
        return self.list_display if obj else []

    def get_actions(self, request):
        # That one would claim to have deleted what stays because the settings name it.
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def has_change_permission(self, request, obj=None):
        return False

    @admin.display(description="kind")
    def kind(self, track):
        return describe_track(track)["kind"]

    @admin.display(description="what sources say")
    def shown_rulings(self, track):
        # The front's Content-Security-Policy forbids a style here; this class of the admin's is red.
        return format_html_join(
            "",
            '<ul class="{}"><li>{}: {}{}</li></ul>',
            (
                (
                    "errorlist" if ruling["state"] == "refused" else "",
                    ruling["source"],
                    ruling["state"],
                    f": {ruling['reason']}" if ruling["reason"] else "",
                )
                for ruling in describe_track(track)["rulings"]
            ),
        )

    def save_model(self, request, obj, form, change):
        obj.pk = add_track(obj.text, added_by=request.user.get_username()).track.pk
        self.message_user(request, tell_next(), messages.INFO)

    def delete_view(self, request, object_id, extra_context=None):
        track = self.get_object(request, unquote(object_id))
        if track and self.has_delete_permission(request, track) and is_of_settings(track):
            self._try_to_remove(request, track)
            return redirect("admin:api_track_changelist")
        return super().delete_view(request, object_id, extra_context)

    def delete_model(self, request, obj):
        remove_track(obj)
        self.message_user(request, tell_next(), messages.INFO)

    @admin.action(description="Watch for these no longer", permissions=["delete"])
    def stop_watching(self, request, queryset):
        tracks = list(queryset)
        removed = [str(track) for track in tracks if self._try_to_remove(request, track)]
        if removed:
            sentence = f"Watched for no longer: {', '.join(removed)}. {tell_next()}"
            self.message_user(request, sentence, messages.SUCCESS)

    def _try_to_remove(self, request, track):
        pk, text = track.pk, track.text
        try:
            remove_track(track)
        except TrackOfSettings as error:
            self.message_user(request, str(error), messages.ERROR)
            return False
        self.log_deletions(request, [Track(pk=pk, text=text)])
        return True


@admin.register(Gap)
class GapAdmin(ReadOnlyAdmin):
    list_display = ["opened_at", "source", "text", "filled_at", "found", "note"]
    list_display_links = ["text"]
    list_filter = ["source", ("filled_at", admin.EmptyFieldListFilter)]
    ordering = ["-id"]
    search_fields = ["text"]


@admin.register(ReadDay)
class ReadDayAdmin(ReadOnlyAdmin):
    list_display = ["day", "source", "posts", "users", "dollars"]
    list_filter = ["source"]
    ordering = ["-day", "source"]

    @admin.display(description="US dollars")
    def dollars(self, day):
        return f"{find_cost(day.source, day.posts, day.users):.2f}"


class SourceStateForm(forms.ModelForm):
    wanted = forms.BooleanField(required=False, help_text="Whether a worker is to read it.")
    budget = forms.DecimalField(
        required=False,
        min_value=0,
        max_digits=10,
        decimal_places=2,
        help_text="US dollars a day (UTC) before it pauses. Empty: WALLPUSH_X_DAILY_BUDGET.",
    )

    class Meta:
        model = SourceState
        fields = ["wanted", "budget"]


@admin.register(SourceState)
class SourceStateAdmin(admin.ModelAdmin):
    """The rest is the reader's, which writes it every two seconds."""

    form = SourceStateForm
    list_display = ["source", "state", "reason", "since", "last_message_at", "wanted", "budget"]
    readonly_fields = [
        *("source", "state", "reason", "since", "last_activity_at", "last_message_at", "lag"),
        "start_asked_at",
    ]
    fields = [*readonly_fields, "wanted", "budget"]
    ordering = ["source"]
    actions = ["start", "stop"]

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        # Saving the row would bring back what the reader had written when the page was opened.
        if "wanted" in form.changed_data:
            (start_source if obj.wanted else stop_source)(obj.source)
        if "budget" in form.changed_data:
            set_budget(obj.source, obj.budget)

    @admin.action(description="Start, also after it stopped by itself", permissions=["change"])
    def start(self, request, queryset):
        self._tell_all(request, queryset, start_source, "started")

    @admin.action(description="Stop", permissions=["change"])
    def stop(self, request, queryset):
        self._tell_all(request, queryset, stop_source, "stopped")

    def _tell_all(self, request, queryset, tell, outcome):
        for state in queryset:
            tell(state.source)
            self.message_user(request, f"{state.source} is {outcome} within seconds.")


def _pretty(value):
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))
