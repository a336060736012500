"""Every column of a contract has one constant, and every constant is a column."""

from workbench.contracts import columns
from workbench.contracts.tables import CONTRACTS

CONSTANTS = {name: value for name, value in vars(columns).items() if name.isupper()}


def test_every_contract_column_has_a_constant():
    used = {name for contract in CONTRACTS.values() for name in contract.names}
    assert used - set(CONSTANTS.values()) == set()


def test_every_constant_is_a_column_of_some_contract():
    used = {name for contract in CONTRACTS.values() for name in contract.names}
    assert set(CONSTANTS.values()) - used == set()


def test_constants_are_named_as_their_columns_and_occur_once():
    assert {name: name.lower() for name in CONSTANTS} == CONSTANTS


def test_keys_observed_and_run_columns_exist():
    for contract in CONTRACTS.values():
        named = {*contract.key, *contract.run_columns, *filter(None, [contract.observed])}
        assert named <= set(contract.names), contract.name


def test_no_key_column_may_be_empty():
    for contract in CONTRACTS.values():
        assert not [name for name in contract.key if contract.column(name).nullable], contract.name
