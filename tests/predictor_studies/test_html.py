"""A report's page: what the Markdown says, in tables and pictures, and nothing from elsewhere."""

import base64

from nasjax.predictor_studies import html

REPORT = """# Predictors

R2 by device
and more, 2 < 3:

| predictor | R2 |
| --- | --- |
| trees | 0.977 |
| <mlp> | 0.963 |

## Learning

- 10 samples: 70 %
- 100 samples: 68 %

![curves](curve.png)
![not there](other.png)
"""


def test_tables_lists_and_pictures_are_inside_the_page(tmp_path):
    (tmp_path / "curve.png").write_bytes(b"picture")
    page = html.page("mine", REPORT, tmp_path)
    assert "<title>mine</title>" in page
    assert "<h1>Predictors</h1>" in page
    assert "<p>R2 by device and more, 2 &lt; 3:</p>" in page
    assert page.count("<tr>") == 1 + 2
    assert "<td >&lt;mlp&gt;</td>" in page and '<td class="n">0.963</td>' in page
    assert "<h2>Learning</h2>" in page
    assert "<li>10 samples: 70 %</li><li>100 samples: 68 %</li>" in page
    inside = base64.b64encode(b"picture").decode()
    assert f'<img alt="curves" src="data:image/png;base64,{inside}">' in page
    assert "not there" in page and "http" not in page
