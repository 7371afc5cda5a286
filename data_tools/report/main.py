"""``mathcoder report``: a quality report of a recipe's folder, or of folders of documents.

Decides: the verb's arguments, and what is printed beside the page.
Does not: count (``survey.py``) or lay out (``page.py``).
"""

import argparse
from pathlib import Path

from data_tools.arguments import add_inputs, add_workers, output_path
from data_tools.parts import atomic_file
from data_tools.report.components import find_components
from data_tools.report.page import html_page
from data_tools.report.survey import survey
from megatron_mathcoder.config.errors import DataError


def run(argv: list[str]) -> int:
    """Run the verb. Raises DataError: nothing to report, or the output is no file's name."""
    parser = argparse.ArgumentParser(prog="mathcoder report", description="What a dataset is made of, as one HTML page.")
    add_inputs(parser, "the folder of a recipe (mathcoder data), or folders of documents")
    parser.add_argument("--output", type=output_path, required=True, metavar="REPORT.html", help="file to write")
    parser.add_argument("--title", default="Quality report", help="default: %(default)s")
    add_workers(parser)
    options = parser.parse_args(argv)
    if options.output.is_dir():
        raise DataError(f"--output {str(options.output)!r} is a folder; name a file, such as {options.output / 'report.html'}")
    roots = [Path(name) for name in options.inputs]
    for root in roots:
        if not root.is_dir():
            raise DataError(f"input {str(root)!r} is not a folder; name what mathcoder prepare or data has made")
    components = [survey(component, options.workers) for component in find_components(roots)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(options.output) as stream:
        stream.write(html_page(options.title, components).encode())
    documents = sum(each.content.documents for each in components)
    print(f"{options.output}: {len(components)} components, {documents:,} documents")
    return 0
