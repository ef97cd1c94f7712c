"""The checks of the conformance kit, by what they are about. :mod:`..conformance` puts them together."""
