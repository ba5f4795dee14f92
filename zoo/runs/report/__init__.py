"""How good is it at each class, and does it know when it is wrong? Numbers, a table, a figure and a page of a test.

label, predicted, confidence (N,)  ->  numbers.py: `report` in result.json
                                   ->  table.py, figure.py: the end of `fit`;  page.py: `zoo report`
"""

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"  # of pages; the look of all of them is in page.css
