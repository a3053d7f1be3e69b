"""Under which names the page answers, and which websites may use it."""

import pytest

from oneseed.config.demo import DemoConfig
from oneseed.web.hosts import Authority, Hosts, plain_address, read_authority

STRANGERS = [
    "",
    "stranger.example",
    "stranger.example:7860",
    "STRANGER.EXAMPLE",
    "localhost.stranger.example",
    "127.0.0.1.stranger.example:7860",
    "localhost.:7860",
    "127.0.0.1.:7860",
    "stranger.example.",
    "anna@127.0.0.1:7860",
    "stranger.example@127.0.0.1",
    "127.0.0.1@stranger.example",
    "http://127.0.0.1:7860",
    "//127.0.0.1",
    "127.0.0.1/",
    "127.0.0.1:7860/config",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1:7860:7860",
    "127.0.0.1,stranger.example",
    "127.0.0.1 stranger.example",
    "127.0.0.1\tx",
    "0.0.0.0:7860",
    "0:7860",
    "127.1:7860",
    "2130706433:7860",
    "0x7f000001:7860",
    "[::2]:7860",
    "[::1",
    "::1",
    "[::1]x",
    "[stranger.example]",
    "[::ffff:10.0.0.1]",
    "ⓛocalhost",
    "１２７.0.0.1",
    "192.168.0.7:7860",
]
OWN = [
    "127.0.0.1",
    "127.0.0.1:7860",
    "localhost:7860",
    "LOCALHOST:7860",
    "localhost:9000",
    "[::1]:7860",
    "[0:0:0:0:0:0:0:1]:7860",
    "[::ffff:127.0.0.1]:7860",
]


def answers(hosts, name, arrived_at="127.0.0.1"):
    authority = read_authority(name)
    return authority is not None and hosts.answers_to(authority, arrived_at)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_page_of_this_machine_answers_to_no_name_but_its_own(host):
    """A website's name that is made to point at 127.0.0.1 had the page's settings and pictures."""
    hosts = Hosts.of(host)
    assert [name for name in STRANGERS if answers(hosts, name)] == []
    assert [name for name in OWN if not answers(hosts, name)] == []


def test_a_page_of_the_network_answers_to_the_machine_and_the_address_it_is_reached_at(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "Studio.lan")
    hosts = Hosts.of("0.0.0.0")
    for name in ("studio.lan:7860", "studio", "studio.local", "192.168.0.7:7860", "localhost"):
        assert answers(hosts, name, arrived_at="192.168.0.7"), name
    for name in ("stranger.example", "192.168.0.8:7860", "8.8.8.8", "studio.stranger.example"):
        assert not answers(hosts, name, arrived_at="192.168.0.7"), name
    assert answers(hosts, "192.168.0.7", arrived_at="::ffff:192.168.0.7")


def test_names_that_are_allowed_answer_with_their_port_or_with_any():
    hosts = Hosts.of("127.0.0.1", ["page.example.org", "10.0.0.5:8000", "[fd00::7]"])
    for name in ("page.example.org", "PAGE.example.org:8443", "10.0.0.5:8000", "[fd00::7]:1"):
        assert answers(hosts, name), name
    for name in ("example.org", "x.page.example.org", "10.0.0.5", "10.0.0.5:8001", "[fd00::8]"):
        assert not answers(hosts, name), name
    for name in ("http://page.example.org", "", "a b", "*", "a@b"):
        with pytest.raises(ValueError, match="no name of a host"):
            hosts.allow(name)


@pytest.mark.parametrize(
    "origin",
    [
        "http://stranger.example",
        "http://stranger.example:7860",
        "null",
        "",
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "https://127.0.0.1:7860",
        "http://localhost:7860",
        "http://127.0.0.1:7860.stranger.example",
        "http://127.0.0.1:7860@stranger.example",
        "http://127.0.0.1:7860/",
        "http://127.0.0.1:7860/x",
        "file://127.0.0.1:7860",
        "chrome-extension://abc",
        "http://[::1]:7860",
        "http://127.0.0.1:7860 http://stranger.example",
        "http://[",
    ],
)
def test_only_the_page_itself_is_its_origin(origin):
    """Another port of the same machine is another website: a file opened by some other server."""
    asked = Authority("127.0.0.1", 7860)
    hosts = Hosts.of("127.0.0.1")
    assert not hosts.takes_origin(origin, asked, "http")
    assert hosts.takes_origin("http://127.0.0.1:7860", asked, "http")


def test_a_proxy_that_adds_https_is_an_origin_once_its_name_is_allowed():
    asked = Authority("127.0.0.1", 7860)
    hosts = Hosts.of("127.0.0.1", ["page.example.org"])
    assert hosts.takes_origin("https://page.example.org", asked, "http")
    assert not hosts.takes_origin("https://example.org", asked, "http")
    # a usual port is not written
    assert hosts.takes_origin("http://localhost", Authority("localhost", 80), "http")


def test_one_address_is_written_in_one_way():
    for written in ("::1", "[::1]", "0:0:0:0:0:0:0:1", "::1%lo"):
        assert plain_address(written) == "::1"
    assert plain_address("::ffff:127.0.0.1") == "127.0.0.1"
    assert plain_address("Localhost") == "localhost"


def test_allowed_hosts_are_checked_and_make_a_page_public():
    """Behind a proxy of that name others reach the page: without a password it changes no file."""
    assert DemoConfig(allow_host="a.example,b.example:80").allowed_hosts == [
        "a.example",
        "b.example:80",
    ]
    assert not DemoConfig(allow_host="a.example").private
    assert DemoConfig(allow_host="a.example", auth="anna:secret").private
    assert DemoConfig(host="[::1]").private
    assert DemoConfig(host="127.0.0.2").private
    assert not DemoConfig(host="127.0.0.1.example.org").private
    for wrong in ("http://a.example", "a b", "a/b", "anna@a.example"):
        with pytest.raises(ValueError, match="--allow-host"):
            DemoConfig(allow_host=wrong)
