"""Every address of the web process, grouped by its first part."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import IntConverter

from dashboard.views import (
    account,
    activity,
    artefacts,
    board,
    capture,
    environments,
    health,
    intakes,
    keys,
    models,
    packages,
    parity,
    playground,
    promotions,
    releases,
    sign_in,
)


class Number(IntConverter):
    """A number that every database can hold; longer ones are no address."""

    regex = "[0-9]{1,9}"


register_converter(Number, "number")

handler400 = "dashboard.views.errors.bad_request"
handler403 = "dashboard.views.errors.forbidden"
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.broken"

urlpatterns: list[URLPattern | URLResolver] = [
    # in and out
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    # what is live, and what is released
    path("", board.board, name="board"),
    path("search/", models.search, name="search"),
    path("models/", models.models, name="models"),
    path("models/-/new/", models.model_new, name="model_new"),
    path("models/<slug:name>/", models.model, name="model"),
    path("models/<slug:name>/register/", packages.register, name="register"),
    path("models/<slug:name>/promote/", promotions.promote, name="promote"),
    path("models/<slug:name>/packages/<number:number>/", packages.package, name="package"),
    path("models/<slug:name>/packages/<number:number>/delete/", packages.package_delete, name="package_delete"),
    path("models/<slug:name>/<slug:environment>/capture/", capture.capture, name="capture"),
    path("models/<slug:name>/<slug:environment>/roll-back/", promotions.roll_back, name="roll_back"),
    path("intakes/<number:pk>/", intakes.intake, name="intake"),
    path("releases/", releases.releases, name="releases"),
    path("releases/<number:pk>/", releases.release, name="release"),
    path("releases/<number:pk>/abort/", promotions.abort, name="abort"),
    # where packages answer; `-` is no name, so no environment can hide a form
    path("environments/", environments.environments, name="environments"),
    path("environments/-/new/", environments.environment_new, name="environment_new"),
    path("environments/<slug:name>/", environments.environment, name="environment"),
    path("environments/<slug:name>/edit/", environments.environment_edit, name="environment_edit"),
    path("environments/<slug:name>/move/", environments.environment_move, name="environment_move"),
    path("environments/<slug:name>/delete/", environments.environment_delete, name="environment_delete"),
    path("environments/<slug:name>/parity/", parity.parity, name="parity"),
    path("playground/", playground.playground, name="playground"),
    # who did what, and who may call
    path("activity/", activity.activity, name="activity"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<number:pk>/", keys.key, name="key"),
    path("keys/<number:pk>/rotate/", keys.key_rotate, name="key_rotate"),
    path("keys/<number:pk>/end-old/", keys.key_end_old, name="key_end_old"),
    path("keys/<number:pk>/revoke/", keys.key_revoke, name="key_revoke"),
    path("account/", account.account, name="account"),
    path("account/tokens/", account.token_issue, name="token_issue"),
    path("account/tokens/<number:pk>/revoke/", account.token_revoke, name="token_revoke"),
    path("account/password/", account.password, name="password"),
    # for machines
    path("health/", health.health, name="health"),
    path("health/troubles/", health.troubles, name="troubles"),
    path("artefacts/<str:hex>/<path:file>", artefacts.artefacts, name="artefacts"),
    path("api/", include("releases.api.urls")),
]
