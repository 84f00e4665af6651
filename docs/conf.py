"""How Sphinx makes the site: Markdown pages, the reference from the docstrings, nothing from the network."""

import sys
from pathlib import Path

import keraunos

sys.path.append(str(Path(__file__).parent / "extensions"))

project = "Keraunos"
version = release = keraunos.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "pages", "reference"]
exclude_patterns = ["extensions", "pictures", "_static"]

# A name or a link that leads nowhere is a warning, and `make docs` makes an error of it.
nitpicky = True
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

autodoc_typehints = "none"  # the docstrings say what is expected; annotations say how it is converted
autodoc_inherit_docstrings = False
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
toc_object_entries_show_parents = "hide"
pygments_style = "friendly"
pygments_dark_style = "native"

html_theme = "furo"
html_title = "Keraunos"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["copy.js"]
html_show_copyright = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
