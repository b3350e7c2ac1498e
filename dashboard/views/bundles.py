"""The bundle of a package: make it, fetch it, and run it in this browser."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import edged
from dashboard.answers import explained
from dashboard.people import person
from releases.models import EdgeBundle, Package
from releases.modes.edge import bundles, signing, smaller
from releases.rights import REGISTER, may, require
from serving.edge.making import FULL, SMALLER

# The one page that may compile WebAssembly; everything else is as strict as anywhere.
POLICY = f"{settings.CONTENT_SECURITY_POLICY}; script-src 'self' 'wasm-unsafe-eval'"
RUNTIME = "vendor/onnxruntime-web/ort-wasm-simd-threaded"


@require_http_methods(["GET", "HEAD", "POST"])
@explained
def bundle(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """What devices get of a package; POST makes it."""
    package = _package(name, number)
    if request.method == "POST":
        if request.POST.get("variant") == SMALLER:
            smaller.ask(actor=person(request), package=package)
            messages.success(request, "A worker makes the smaller bundle. It stands here when it is there.")
        else:
            bundles.export(actor=person(request), package=package)
        return redirect("bundle", name, number)
    context = {"package": package, "key": signing.public_text(), "may": may(request.user, REGISTER)}
    return render(request, "bundle/page.html", context | edged.bundle(package))


@require_safe
@explained
def bundle_zip(request: HttpRequest, name: str, number: int, variant: str) -> FileResponse:
    """Send a bundle as a zip file."""
    found = bundles.archive(actor=person(request), package=_package(name, number), variant=variant)
    if found is None:
        raise Http404("This bundle was not made yet.")
    return FileResponse(found[1], as_attachment=True, filename=found[0], content_type="application/zip")


@require_safe
@explained
def bundle_file(request: HttpRequest, name: str, number: int, bundle: str, file: str) -> FileResponse:
    """Send one file of a bundle to the page that runs it."""
    require(request.user, REGISTER)
    ours = EdgeBundle.objects.filter(bundle=bundle, package=_package(name, number)).exists()
    path = bundles.file(bundle, file) if ours else None
    if path is None:
        raise Http404("There is no such file.")
    return FileResponse(path.open("rb"), content_type="application/octet-stream")


@require_safe
@explained
def bundle_browser(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Run the bundle in this browser: `?variant=smaller` the smaller one."""
    require(request.user, REGISTER)
    package = _package(name, number)
    variant = SMALLER if request.GET.get("variant") == SMALLER else FULL
    found = bundles.newest(package, variant)
    if found is None:
        return redirect("bundle", name, number)
    base = reverse("bundle_file", args=(name, number, found.bundle, "-")).removesuffix("-")
    runtime = {"mjs": static(f"{RUNTIME}.mjs"), "wasm": static(f"{RUNTIME}.wasm")}
    set_up = {"base": base, "key": signing.public_text(), "runtime": runtime}
    context = {"package": package, "found": found, "settings": set_up, "body": _body(package)}
    context["note"] = f"{edged.NAMES[variant]} bundle"
    answer = render(request, "bundle/browser.html", context)
    answer["Content-Security-Policy"] = POLICY
    return answer


def _body(package: Package) -> str:
    return json.dumps({"instances": package.example[:1]}, indent=2, ensure_ascii=False)


def _package(name: str, number: int) -> Package:
    return get_object_or_404(Package.objects.select_related("model"), model__name=name, number=number)
