"""Django REST framework as its tutorial has it: ModelViewSet, ModelSerializer, and a check of an
RS256 bearer token, whose public key is in BASELINE_KEY."""

from __future__ import annotations

import os

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from benchmarks.baselines import plain  # first: it configures Django and is the application's root

settings.INSTALLED_APPS.append("rest_framework")

from rest_framework import routers, serializers, viewsets  # noqa: E402
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.exceptions import AuthenticationFailed  # noqa: E402
from rest_framework.pagination import CursorPagination  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.renderers import JSONRenderer  # noqa: E402

from benchmarks.baselines.models import Operation  # noqa: E402

application = plain.application
KEY = load_pem_public_key(os.environ["BASELINE_KEY"].encode())


class Caller:
    is_authenticated = True


class Bearer(BaseAuthentication):
    def authenticate(self, request):
        _, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        try:
            jwt.decode(token, KEY, algorithms=["RS256"], audience=os.environ["BASELINE_AUDIENCE"])
        except jwt.InvalidTokenError as error:
            raise AuthenticationFailed(str(error)) from None
        return Caller(), None


class OperationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Operation
        fields = "__all__"


class Pages(CursorPagination):
    page_size = 100
    ordering = "-id"


class OperationViewSet(viewsets.ModelViewSet):
    queryset = Operation.objects.all()
    serializer_class = OperationSerializer
    pagination_class = Pages
    authentication_classes = [Bearer]
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]

    def get_queryset(self):
        rows = super().get_queryset()
        connection = self.request.query_params.get("connection")
        return rows.filter(connection_id=connection) if connection else rows


router = routers.SimpleRouter(trailing_slash=False)
router.register("operations", OperationViewSet)
plain.urlpatterns[:] = router.urls
