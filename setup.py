"""Install the top-level folders under the package's own name.

The layout wants them at the top level; generic module names like `resources` in
site-packages would collide with other projects. The reason in full:
docs/adr/0002-top-level-folders-install-under-one-name.md.
"""

from setuptools import find_packages, setup

_TOP_LEVEL = ("candidates", "dbt", "resources", "sensors")

packages = find_packages(include=["torghut_assets", "torghut_assets.*"])
for folder in _TOP_LEVEL:
    packages.append(f"torghut_assets.{folder}")
    packages += [f"torghut_assets.{folder}.{name}" for name in find_packages(folder)]

setup(
    packages=packages,
    package_dir={f"torghut_assets.{folder}": folder for folder in _TOP_LEVEL},
    package_data={
        "torghut_assets": [
            "cli/commands.json",
            "config/*.yaml",
            "data/**/*",
            "schemas/*.json",
            "py.typed",
        ],
        "torghut_assets.candidates": ["*.yaml"],
        "torghut_assets.dbt": ["*.json", "*.yml", "models/**/*", "macros/**/*", "tests/**/*"],
    },
)
