"""Settings of the production web server; ``serve`` adds the address and the number of processes."""

import logging
import os
import signal
import ssl

from django.conf import settings

from connectors_admin.processes import end_with_parent, tell_ready
from operations import metrics_folder

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_admin.settings")

wsgi_app = "connectors_admin.wsgi:application"
worker_class = "connectors_admin.web_worker.GraphThreadWorker"
threads = settings.WEB_THREADS
worker_connections = settings.WEB_CONNECTIONS
keepalive = 75
graceful_timeout = 8
timeout = 60
limit_request_line = 8190  # a long $filter
limit_request_field_size = 16380  # a bearer token with many roles
# gunicorn would take X-Forwarded-Proto from 127.0.0.1; only our own setting decides that.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers = {}  # type: ignore[var-annotated]
control_socket_disable = True
worker_tmp_dir = metrics_folder.in_memory()  # each worker touches a file to say that it lives
sendfile = False  # what a client does not take at once is kept, see web_connections
loglevel = (settings.LOG_LEVEL or "WARNING").lower()
logger_class = "connectors_admin.web_log.WebLog"

metrics_folder.make_folder()  # before anything is imported that counts


def on_starting(server):
    end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))


def post_worker_init(worker):
    logging._srcfile = None  # no line shows where in the code it was written, so nobody looks
    tell_ready()


def child_exit(server, worker):
    metrics_folder.absorb(worker.pid)


def on_exit(server):
    metrics_folder.remove_folder()


def ssl_context(config, default_factory):
    """Of ``serve --tls``."""
    context = default_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
