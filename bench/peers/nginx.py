"""Peers that are nginx with a module: ours, through the front and straight, bare push-stream, and nchan."""

import os

from bench.peers.nchan import MODULE, ensure_nchan, library_path
from bench.peers.peer import Peer, Poster
from nginx.server import Front, PushNode, Server
from tests.conftest import free_ports

GLOBAL = "/events/pub/global"


class Wallpush(Peer):
    """As it is run: what is published is stored, in the envelope, and may be resumed."""

    def __init__(self, *, through_front):
        self.through_front = through_front
        self.name = "wallpush, through the front" if through_front else "wallpush, push node"

    def start(self, folder):
        publish, subscribe, front = free_ports(3)
        self.node = PushNode(
            folder / "push", publish_port=publish, subscribe_port=subscribe, shared_memory="512M"
        )
        self.front = Front(
            folder / "front",
            port=front,
            push_node=f"127.0.0.1:{subscribe}",
            django="127.0.0.1:9",
            static=folder,
        )
        for server in (self.node, self.front) if self.through_front else (self.node,):
            server.folder.mkdir()
            server.start()
        event_id = "Event-Id: Fri, 20 Nov 2026 10:00:00 GMT|1\r\n"
        self.poster = Poster(("127.0.0.1", publish), GLOBAL, event_id)

    @property
    def address(self):
        return ("127.0.0.1", self.front.port if self.through_front else self.node.subscribe_port)

    def path(self, transport):
        return f"/events/{transport}/global"

    def publish(self, body):
        self.poster.post(body)

    def processes(self):
        found = {"push node": [self.node.pid]}
        return found | ({"front": [self.front.pid]} if self.through_front else {})

    def stop(self):
        self.poster.close()
        self.front.stop()
        self.node.stop()


class BareNginx(Server):
    """An nginx with the least that a module needs: subscribers at /ws and /ev, publishing at /pub."""

    def __init__(self, folder, *, port, modules, http="", ws, ev, pub):
        super().__init__(folder)
        self.port = port
        self.modules = modules
        self.http = http
        self.locations = {"/ws": ws, "/ev": ev, "/pub": pub}

    def addresses(self):
        return [("127.0.0.1", self.port)]

    def configuration(self):
        loads = "".join(f'load_module "{module}";\n' for module in self.modules)
        locations = "\n".join(
            f"location = {path} {{ {lines} }}" for path, lines in self.locations.items()
        )
        folders = "".join(
            f'{name}_temp_path "{self.folder / "tmp" / name}";\n'
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""{loads}user root;
pid "{self.folder}/nginx.pid";
error_log "{self.folder}/error.log" warn;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
access_log off;
tcp_nodelay on;
keepalive_requests 1000000;
{folders}{self.http}
server {{ listen 127.0.0.1:{self.port} backlog=4096;
{locations}
}} }}
"""


class NginxPeer(Peer):
    def start(self, folder):
        [port] = free_ports(1)
        self.server = self.make_server(folder, port)
        self.server.start()
        self.poster = Poster(self.address, "/pub")

    @property
    def address(self):
        return ("127.0.0.1", self.server.port)

    def path(self, transport):
        return f"/{transport}"

    def publish(self, body):
        self.poster.post(body)

    def processes(self):
        return {"nginx": [self.server.pid]}

    def stop(self):
        self.poster.close()
        self.server.stop()


class BarePushStream(NginxPeer):
    """Nothing stored, no envelope: what the module can at most."""

    name = "push-stream, bare"

    def make_server(self, folder, port):
        channel = 'push_stream_channels_path "global";'
        server = BareNginx(
            folder,
            port=port,
            modules=[],
            http="push_stream_shared_memory_size 512M;",
            ws=f"push_stream_subscriber websocket; {channel}",
            ev=f"push_stream_subscriber eventsource; {channel}",
            pub=f"push_stream_publisher; {channel}",
        )
        server.modules.append(server.binary.push_stream_module)
        return server


class NchanNginx(BareNginx):
    """nchan makes a folder below /var/lib/nginx whatever the configuration says: it gets a /var/lib of its own."""

    SEAT = 'mount -t tmpfs none /var/lib && mkdir /var/lib/nginx && exec "$@"'

    @property
    def command(self):
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        seat = ["unshare", *as_root, "--mount", "sh", "-c", self.SEAT, "sh"]
        return [*seat, "env", f"LD_LIBRARY_PATH={library_path()}", *super().command]


class Nchan(NginxPeer):
    name = "nchan"

    def make_server(self, folder, port):
        channel = 'nchan_channel_id "global";'
        subscriber = f"nchan_subscriber_first_message newest; {channel}"
        server = NchanNginx(
            folder,
            port=port,
            modules=[MODULE],
            http="nchan_shared_memory_size 512M;",
            ws=f"nchan_subscriber websocket; {subscriber}",
            ev=f"nchan_subscriber eventsource; {subscriber}",
            pub=f"nchan_publisher; nchan_message_buffer_length 100; {channel}",
        )
        server.binary = ensure_nchan()
        return server
