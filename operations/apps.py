from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "operations"
    verbose_name = "Connectors"

    def ready(self) -> None:
        from operations import checks, planner  # noqa: F401 - each registers itself
