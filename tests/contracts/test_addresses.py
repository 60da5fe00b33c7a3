"""What every provider's stable addresses keep to: the local ones with a real forwarder, and the fake's."""

import pytest

from fleet.providers.base import OutOfCapacity, ProviderError
from fleet.providers.fake import FakeProvider
from fleet.providers.ssh import SshProvider
from tests.localhosts import LocalHosts, until

pytestmark = pytest.mark.enable_socket
LONG = 300.0  # a hold that no test lives to see the end of


@pytest.fixture(scope="module")
def hosts():
    hosts = LocalHosts()
    yield hosts
    hosts.close()


@pytest.fixture(params=["local", "fake"])
def provider(request):
    """It has machines "one" and "two", and no address."""
    provider = request.getfixturevalue("hosts").provider if request.param == "local" else FakeProvider()
    for name in ("one", "two"):
        provider.create(name, "a", 100)
    yield provider
    for name in provider.addresses():
        provider.release_address(name)


def leads_to(provider, name):
    return provider.address(name).machine


def test_there_is_none_before_it_is_allocated(provider):
    assert provider.has_addresses
    assert provider.address("db") is None
    assert provider.addresses() == []


def test_an_allocated_address_leads_nowhere_and_stays_the_same(provider):
    first = provider.allocate("db", 5432)
    assert first.address
    assert (first.machine, first.held) == ("", False)
    assert provider.allocate("db", 5432) == provider.address("db") == first
    assert provider.addresses() == ["db"]


def test_addresses_differ(provider):
    assert provider.allocate("two", 5432).address != provider.allocate("one", 5432).address
    assert provider.addresses() == ["one", "two"]


def test_it_leads_from_machine_to_machine_under_one_address(provider):
    before = provider.allocate("db", 5432)
    for generation, machine in enumerate(("one", "two", "two", "one"), 1):
        for _ in range(2):
            provider.associate("db", machine, generation)
            assert leads_to(provider, "db") == machine
    assert provider.allocate("db", 5432).machine == "one"
    assert provider.address("db").address == before.address


def test_the_generation_may_stay_but_an_older_one_is_refused(provider):
    provider.allocate("db", 5432)
    provider.associate("db", "one", 7)
    provider.associate("db", "two", 7)
    with pytest.raises(ProviderError, match="generation 7"):
        provider.associate("db", "one", 6)
    assert leads_to(provider, "db") == "two"


def test_a_detached_address_remembers_its_generation(provider):
    provider.allocate("db", 5432)
    provider.associate("db", "one", 7)
    for _ in range(2):
        provider.disassociate("db")
        assert leads_to(provider, "db") == ""
    with pytest.raises(ProviderError, match="generation 7"):
        provider.associate("db", "one", 6)
    assert leads_to(provider, "db") == ""
    provider.associate("db", "one", 7)
    assert leads_to(provider, "db") == "one"


def test_it_leads_only_to_what_there_is(provider):
    provider.allocate("db", 5432)
    provider.associate("db", "one", 1)
    with pytest.raises(ProviderError, match="three"):
        provider.associate("db", "three", 2)
    assert leads_to(provider, "db") == "one"
    provider.associate("db", "two", 1)  # what was refused has left no trace


def test_a_machine_that_is_destroyed_is_led_to_no_more_not_even_when_another_takes_its_name(provider):
    provider.create("three", "a", 100)
    for name, machine in (("db", "three"), ("other", "one")):
        provider.allocate(name, 5432)
        provider.associate(name, machine, 1)
    provider.destroy("three")
    assert leads_to(provider, "db") == ""
    provider.create("three", "a", 100)
    assert leads_to(provider, "db") == ""
    assert leads_to(provider, "other") == "one"
    provider.destroy("three")


def test_a_hold_lasts_until_the_address_is_associated(provider):
    assert provider.can_hold
    provider.allocate("db", 5432)
    for machine in ("one", "two"):
        provider.associate("db", "one", 1)
        for _ in range(2):
            provider.hold("db", LONG)
            assert provider.address("db").held
        provider.associate("db", machine, 1)
        assert not provider.address("db").held
        assert leads_to(provider, "db") == machine


def test_a_hold_ends_by_itself_and_the_last_word_counts(provider):
    provider.allocate("db", 5432)
    provider.associate("db", "one", 1)
    provider.hold("db", LONG)
    provider.hold("db", 0.05)
    until(lambda: not provider.address("db").held, "the hold ends")
    assert leads_to(provider, "db") == "one"


def test_a_hold_that_is_prolonged_does_not_end_when_the_first_would_have(provider):
    for name in ("db", "later"):
        provider.allocate(name, 5432)
        provider.associate(name, "one", 1)
    provider.hold("db", 0.05)
    provider.hold("db", LONG)
    provider.hold("later", 0.05)
    until(lambda: not provider.address("later").held, "that time is over")
    assert provider.address("db").held


def test_a_hold_does_not_outlive_a_detachment(provider):
    provider.allocate("db", 5432)
    with pytest.raises(ProviderError, match="nowhere"):
        provider.hold("db", LONG)
    provider.associate("db", "one", 1)
    provider.hold("db", LONG)
    provider.disassociate("db")
    assert not provider.address("db").held
    provider.associate("db", "one", 1)
    assert not provider.address("db").held


def test_what_is_released_is_gone_with_all_it_knew(provider):
    provider.allocate("db", 5432)
    provider.associate("db", "one", 7)
    for _ in range(2):
        provider.release_address("db")
        assert provider.address("db") is None
        assert provider.addresses() == []
    assert provider.allocate("db", 5432).machine == ""
    provider.associate("db", "one", 1)


ASKS = (
    ("associate", ("db", "one", 1)),
    ("disassociate", ("db",)),
    ("hold", ("db", 1.0)),
)


@pytest.mark.parametrize(("verb", "words"), ASKS)
def test_what_is_not_there_can_not_be_led(provider, verb, words):
    for other in ((), ("other",)):  # without any address, and with one
        for name in other:
            provider.allocate(name, 5432)
        with pytest.raises(ProviderError, match="no address"):
            getattr(provider, verb)(*words)


@pytest.mark.parametrize(("verb", "words"), (*ASKS, ("allocate", ("db", 5432))))
def test_adopted_hosts_have_no_addresses(verb, words):
    adopted = SshProvider({"one": {"address": "127.0.0.1"}})
    assert not adopted.has_addresses
    assert not adopted.can_hold
    assert adopted.address("db") is None
    assert adopted.addresses() == []
    adopted.release_address("db")
    with pytest.raises(ProviderError, match="no address db"):
        getattr(adopted, verb)(*words)


def test_a_fake_that_does_not_answer_says_so_to_every_question():
    fake = FakeProvider()
    fake.create("one", "a", 100)
    fake.allocate("db", 5432)
    fake.unreachable = True
    asks = (*ASKS, ("allocate", ("db", 5432)), ("address", ("db",)), ("release_address", ("db",)), ("addresses", ()))
    for verb, words in asks:
        with pytest.raises(ProviderError, match="does not answer"):
            getattr(fake, verb)(*words)
    fake.unreachable = False
    assert fake.address("db") is not None


def test_a_fake_may_run_out_of_addresses_or_be_a_provider_that_can_do_less():
    fake = FakeProvider()
    fake.create("one", "a", 100)
    fake.address_capacity = 1
    first = fake.allocate("db", 5432)
    with pytest.raises(OutOfCapacity):
        fake.allocate("other", 5432)
    assert fake.allocate("db", 5432) == first
    fake.associate("db", "one", 1)
    fake.can_hold = False
    with pytest.raises(ProviderError, match="hold"):
        fake.hold("db", 1.0)
    fake.has_addresses = False
    with pytest.raises(ProviderError, match="no address"):
        fake.allocate("third", 5432)
