"""Every address of the web process, grouped by its first part."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import IntConverter

from dashboard.views import (
    account,
    activity,
    artefacts,
    batches,
    board,
    bundles,
    capture,
    choosing,
    devices,
    environments,
    freezes,
    gates,
    health,
    intakes,
    keys,
    line,
    models,
    packages,
    parity,
    planning,
    playground,
    promotions,
    releases,
    schedules,
    shadows,
    sign_in,
    steering,
    streams,
    suites,
    tests,
    uat,
    uat_plan,
    whatif,
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
    path("models/<slug:name>/comparing/", shadows.settings, name="comparing"),
    path("models/<slug:name>/shadow/start/", shadows.start, name="shadow_start"),
    path("models/<slug:name>/serving-mode/", choosing.serving_mode, name="serving_mode"),
    path("models/<slug:name>/edge/", devices.devices, name="devices"),
    path("models/<slug:name>/edge/<slug:channel>/switch/", devices.channel_switch, name="channel_switch"),
    path("models/<slug:name>/edge/<slug:channel>/send/", devices.channel_send, name="channel_send"),
    path("models/<slug:name>/edge/<slug:channel>/withdraw/", devices.channel_withdraw, name="channel_withdraw"),
    path("models/<slug:name>/packages/<number:number>/edge/", bundles.bundle, name="bundle"),
    path("models/<slug:name>/packages/<number:number>/edge/browser/", bundles.bundle_browser, name="bundle_browser"),
    path("models/<slug:name>/packages/<number:number>/edge/<slug:variant>.zip", bundles.bundle_zip, name="bundle_zip"),
    path(
        "models/<slug:name>/packages/<number:number>/edge/files/<slug:bundle>/<str:file>",
        bundles.bundle_file,
        name="bundle_file",
    ),
    path("models/<slug:name>/quiet/", planning.quiet, name="quiet"),
    path("models/<slug:name>/plan/", planning.plan, name="canary_plan"),
    path("models/<slug:name>/packages/<number:number>/", packages.package, name="package"),
    path("models/<slug:name>/packages/<number:number>/delete/", packages.package_delete, name="package_delete"),
    path("models/<slug:name>/<slug:environment>/capture/", capture.capture, name="capture"),
    path("models/<slug:name>/<slug:environment>/roll-back/", promotions.roll_back, name="roll_back"),
    path("intakes/<number:pk>/", intakes.intake, name="intake"),
    path("line/", line.line, name="line"),
    path("releases/", releases.releases, name="releases"),
    path("releases/<number:pk>/", releases.release, name="release"),
    path("releases/<number:pk>/abort/", promotions.abort, name="abort"),
    path("releases/<number:pk>/pause/", steering.pause, name="release_pause"),
    path("releases/<number:pk>/resume/", steering.resume, name="release_resume"),
    path("releases/<number:pk>/weight/", steering.weight, name="release_weight"),
    path("releases/<number:pk>/what-if/", whatif.what_if, name="release_what_if"),
    path("releases/<number:pk>/steps/", steering.set_steps, name="release_steps"),
    path("releases/<number:pk>/end/", shadows.end, name="release_end"),
    path("releases/<number:pk>/promote/", steering.promote, name="release_promote"),
    path("releases/<number:pk>/override/", promotions.override, name="release_override"),
    path("releases/<number:pk>/consent/", promotions.consent, name="release_consent"),
    # what packages have shown
    path("suites/", suites.suites, name="suites"),
    path("runs/<number:pk>/", suites.run, name="run"),
    path("runs/<number:pk>/cancel/", suites.run_cancel, name="run_cancel"),
    path("runs/<number:pk>/again/", suites.run_again, name="run_again"),
    path("models/<slug:name>/suites/start/", suites.suite_start, name="suite_start"),
    path("models/<slug:name>/tests/", tests.tests, name="tests"),
    path("models/<slug:name>/tests/risk/", tests.tests_risk, name="tests_risk"),
    path("models/<slug:name>/tests/<slug:kind>/", tests.tests_suite, name="tests_suite"),
    path("uat/", uat.uat, name="uat"),
    path("uat/<number:pk>/", uat.sheet, name="sheet"),
    path("uat/<number:pk>/ask/", uat.sheet_ask, name="sheet_ask"),
    path("uat/<number:pk>/own/", uat.sheet_own, name="sheet_own"),
    path("uat/<number:pk>/renew/", uat.sheet_renew, name="sheet_renew"),
    path("uat/<number:pk>/sign/", uat.sheet_sign, name="sheet_sign"),
    path("uat/<number:pk>/reject/", uat.sheet_reject, name="sheet_reject"),
    path("uat/<number:pk>/cases/<number:case>/", uat.sheet_mark, name="sheet_mark"),
    path("uat/<number:pk>/cases/<number:case>/own/", uat.sheet_own_case, name="sheet_own_case"),
    path("uat/files/<number:pk>/", uat.attachment, name="attachment"),
    path("models/<slug:name>/uat/start/", uat.uat_start, name="uat_start"),
    path("models/<slug:name>/uat/", uat_plan.plan, name="plan"),
    path("models/<slug:name>/uat/new/", uat_plan.plan_new, name="plan_new"),
    path("models/<slug:name>/uat/<number:pk>/", uat_plan.plan_edit, name="plan_edit"),
    path("models/<slug:name>/uat/<number:pk>/remove/", uat_plan.plan_remove, name="plan_remove"),
    # files that packages answer
    path("batches/", batches.batches, name="batches"),
    path("batches/<number:pk>/", batches.batch, name="batch"),
    path("batches/<number:pk>/cancel/", batches.batch_cancel, name="batch_cancel"),
    path("batches/<number:pk>/again/", batches.batch_again, name="batch_again"),
    path("batches/files/<str:token>/", batches.batch_file, name="batch_file"),
    path("batches/schedules/", schedules.schedules, name="schedules"),
    path("batches/schedules/<number:pk>/switch/", schedules.schedule_switch, name="schedule_switch"),
    path("batches/schedules/<number:pk>/remove/", schedules.schedule_remove, name="schedule_remove"),
    path("models/<slug:name>/batches/start/", batches.batch_start, name="batch_start"),
    # records that packages answer within seconds
    path("streams/", streams.streams, name="streams"),
    path("streams/<slug:environment>/<slug:name>/", streams.stream, name="stream"),
    path("streams/<slug:environment>/<slug:name>/replay/", streams.stream_replay, name="stream_replay"),
    path("streams/<slug:environment>/<slug:name>/hook/", streams.stream_hook, name="stream_hook"),
    path("streams/<slug:environment>/<slug:name>/accept/", streams.stream_accept, name="stream_accept"),
    # where packages answer; `-` is no name, so no environment can hide a form
    path("environments/", environments.environments, name="environments"),
    path("environments/-/new/", environments.environment_new, name="environment_new"),
    path("environments/<slug:name>/", environments.environment, name="environment"),
    path("environments/<slug:name>/edit/", environments.environment_edit, name="environment_edit"),
    path("environments/<slug:name>/gates/", gates.gates, name="gates"),
    path("environments/<slug:name>/gates/edit/", gates.gates_edit, name="gates_edit"),
    path("environments/<slug:name>/gates/drop/", gates.gates_drop, name="gates_drop"),
    path("environments/<slug:name>/freezes/", freezes.freezes, name="freezes"),
    path("environments/<slug:name>/freezes/<number:pk>/remove/", freezes.freeze_remove, name="freeze_remove"),
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
    path("api/", include("testing.api.urls")),
    path("api/", include("releases.api.urls")),
]
