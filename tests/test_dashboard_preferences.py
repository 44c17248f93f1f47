"""What a reader prefers, in cookies: time zone, rows a page, colours, shortcuts."""

import pytest
from django.urls import reverse

from operations.dashboard.preferences import zone_names
from tests import factories

pytestmark = pytest.mark.django_db
CHOSEN = {"timezone": "Asia/Kolkata", "rows": "25", "theme": "dark", "shortcuts": "on"}


def save(client, **values):
    return client.post(reverse("preferences"), {**CHOSEN, **values}, follow=True)


def test_they_are_kept_and_shown_again(viewer):
    text = save(viewer).content.decode()

    assert "Saved, for this browser." in text
    assert '<option value="Asia/Kolkata" selected>' in text
    assert '<option value="25" selected>' in text
    assert 'data-theme="dark"' in text
    assert viewer.cookies["timezone"]["samesite"] == "Lax"


def test_exact_times_follow_the_zone_and_the_strip_names_it(viewer):
    connection = factories.make_connection("contosohr")
    utc = f"{connection.created_at:%H:%M:%S} UTC"
    assert utc in viewer.get("/connections/contosohr/").content.decode()

    save(viewer)

    text = viewer.get("/connections/contosohr/").content.decode()
    assert utc not in text
    assert "IST" in text
    assert ">Asia/Kolkata</a>" in text


def test_the_zone_of_one_reader_is_not_that_of_the_next(viewer, administrator):
    factories.make_connection("contosohr")
    save(viewer)
    viewer.get("/connections/contosohr/")

    assert "IST" not in administrator.get("/connections/contosohr/").content.decode()


def test_files_stay_in_utc(operator):
    factories.make_connection("contosohr")
    save(operator)

    line = operator.get(reverse("export-activity", args=["jsonl"])).getvalue().decode()

    assert "+05:30" not in line and 'Z","action"' in line


def test_the_default_zone_is_no_cookie(viewer):
    save(viewer)
    save(viewer, timezone="")

    assert viewer.cookies["timezone"].value == ""
    assert ">UTC</a>" in viewer.get("/").content.decode()


def test_shortcuts_are_switched_off_and_on_again(viewer):
    values = {name: value for name, value in CHOSEN.items() if name != "shortcuts"}
    viewer.post(reverse("preferences"), values)
    assert 'data-keys="off"' in viewer.get("/").content.decode()

    save(viewer)
    assert 'data-keys="off"' not in viewer.get("/").content.decode()


def test_rows_a_page_are_those_of_the_lists(viewer):
    for _ in range(30):
        factories.make_connection()
    save(viewer)

    assert "25 of 30 shown" in viewer.get(reverse("activity")).content.decode()


@pytest.mark.parametrize(
    "values",
    [
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"timezone": "<script>"},
        {"rows": "1000000"},
        {"rows": "x"},
        {"theme": "pink"},
        {"timezone": "\0"},
    ],
)
def test_what_is_no_choice_is_refused(viewer, values):
    text = save(viewer, **values).content.decode()

    assert "That is no choice of this form. Nothing changed." in text
    assert "timezone" not in viewer.cookies and "rows" not in viewer.cookies


@pytest.mark.parametrize("value", ["Mars/Olympus", "../../etc/passwd", "", "x" * 4000, '"'])
def test_cookies_that_mean_nothing_break_nothing(viewer, value):
    for name in CHOSEN:
        viewer.cookies[name] = value

    assert viewer.get(reverse("settings")).status_code == 200
    assert viewer.get(reverse("activity")).status_code == 200


def test_a_get_changes_nothing(viewer):
    response = viewer.get(reverse("preferences"))

    assert response.status_code == 302
    assert response["Location"] == reverse("settings")


def test_strangers_sign_in_first(client):
    assert client.post(reverse("preferences"), CHOSEN).status_code == 302
    assert "timezone" not in client.cookies


def test_every_zone_of_this_python_is_offered():
    assert {"UTC", "Europe/Berlin", "America/New_York"} <= set(zone_names())


@pytest.mark.parametrize("is_secure", [True, False])
def test_cookies_go_the_same_ways_as_the_session(viewer, settings, is_secure):
    settings.SESSION_COOKIE_SECURE = is_secure

    chosen = viewer.post(reverse("preferences"), {**CHOSEN, "shortcuts": ""}).cookies
    theme = viewer.post(reverse("theme"), {"theme": "dark"}).cookies
    rows = viewer.get(reverse("activity"), {"rows": "100"}).cookies

    kept = [chosen[name] for name in ("timezone", "rows", "theme", "shortcuts")]
    for cookie in (*kept, theme["theme"], rows["rows"]):
        assert cookie.value and bool(cookie["secure"]) is is_secure
