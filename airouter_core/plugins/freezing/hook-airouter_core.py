# What PyInstaller cannot see from a program that imports airouter_core: modules that are imported by their names, and
# plugins, which are found by the metadata of their distributions. Those of the environment it is built in come along.

from importlib.metadata import distributions

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

PARTS_OF_TESTS = ("airouter_core.testing.", "airouter_core.plugins.freezing")


def _ours(module: str) -> bool:
    return not module.startswith(PARTS_OF_TESTS)


hiddenimports = collect_submodules("airouter_core", filter=_ours)
datas = copy_metadata("airouter-core")
for distribution in distributions():
    plugins = distribution.entry_points.select(group="airouter")
    if plugins:
        datas += copy_metadata(distribution.name)
        for package in {plugin.module.partition(".")[0] for plugin in plugins}:
            hiddenimports += collect_submodules(package)
