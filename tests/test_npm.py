"""The npm packages that tests use as clients."""

from __future__ import annotations

import json

from tests.node import PACKAGES


def test_the_lock_has_the_hash_of_every_package_and_names_no_registry() -> None:
    packages = json.loads((PACKAGES / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        assert "resolved" not in package or package.get("link"), name
        assert package.get("integrity", "sha512-").startswith("sha512-"), name
    assert len([one for one in packages.values() if "integrity" in one]) > 10


def test_every_package_is_of_one_version() -> None:
    asked = json.loads((PACKAGES / "package.json").read_text())["dependencies"]
    assert [version for version in asked.values() if version[0] in "^~><*"] == []
