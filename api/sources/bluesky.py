from .source import Source

# Public instances of Jetstream; another one is tried when one fails.
HOSTS = ("wss://jetstream.us-east.bsky.network", "wss://jetstream.us-west.bsky.network")


class BlueskySource(Source):
    name = "bluesky"

    def __init__(self, *, urls=HOSTS, api_url="https://public.api.bsky.app", ledger=None):
        super().__init__(ledger)

    def run(self, deliver):
        self.stopping.wait()
