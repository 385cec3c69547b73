"""``scarpwatch web``: the page as a process, and who may review on it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx

from flows.web.accounts import Accounts, Role


def test_reviewers_come_and_go(cli, read, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a long password\nnot this line\n", encoding="utf-8")
    assert read("web", "reviewer", "list") == {"reviewers": []}
    assert "may review" in cli("web", "reviewer", "add", "Kari", "--password-file", file).stdout
    assert read("web", "reviewer", "list") == {"reviewers": ["Kari"]}
    assert Accounts(home).matches("Kari", "a long password")
    file.write_text("another password", encoding="utf-8")
    said = cli("web", "reviewer", "add", "Kari", "--password-file", file).stdout
    assert "has a new password" in said
    assert not Accounts(home).matches("Kari", "a long password")
    cli("web", "reviewer", "remove", "Kari")
    assert read("web", "reviewer", "list") == {"reviewers": []}


def test_who_has_two_roles_has_one_password(cli, read, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "password"
    for role, may, password in (
        ("reviewer", "may review", "a long password"),
        ("operator", "may draw regions", "another password"),
    ):
        file.write_text(password, encoding="utf-8")
        assert may in cli("web", role, "add", "Kari", "--password-file", file).stdout
    accounts = Accounts(home)
    assert accounts.roles("Kari") == {Role.REVIEWER, Role.OPERATOR}
    assert accounts.matches("Kari", "another password")
    assert not accounts.matches("Kari", "a long password")
    cli("web", "reviewer", "remove", "Kari")
    assert read("web", "reviewer", "list") == {"reviewers": []}
    assert read("web", "operator", "list") == {"operators": ["Kari"]}
    assert accounts.matches("Kari", "another password")
    cli("web", "operator", "remove", "Kari")
    assert accounts.stamp("Kari") is None


def test_hillshades_need_an_elevation_model(cli, home: Path, region_file) -> None:
    cli("db", "upgrade")
    cli("regions", "add", region_file())
    said = " ".join(cli("web", "hillshade", status=2).output.split())
    assert "the setting elevation names no elevation model" in said


def test_what_will_not_do_is_refused(cli, home: Path, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("short", encoding="utf-8")
    for words, why in (
        (("add", "Kari", "--password-file", short), "12 to 256 characters"),
        (("add", "Kari", "--password-file", tmp_path / "none"), "cannot be read"),
        (("add", "Kari"), "nobody to ask"),
        (("remove", "Ola"), "no reviewer 'Ola'"),
    ):
        said = cli("web", "reviewer", *words, status=2).output
        assert why in " ".join(said.split())
    assert Accounts(home).names(Role.REVIEWER) == []


def test_the_page_is_served_until_it_is_told_to_end(cli, begun, home: Path) -> None:
    cli("db", "upgrade")
    serving = begun("web", "--port", "0")
    address = re.findall(r"http://127\.0\.0\.1:\d+/", serving.until("Ctrl-C ends"))[0]
    answer = httpx.get(address, timeout=60)
    assert answer.status_code == 200
    assert "No landslide is suspected" in answer.text
    assert "server" not in answer.headers
    assert serving.end() == 0


def test_a_port_that_is_taken_is_named(cli, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = " ".join(cli("web", "--port", port, status=2).output.split())
    assert f"cannot listen on 127.0.0.1 port {port}" in said
