"""How the report page looks: light, dark, narrow and printed. No font and no file is loaded."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1a1c1f;--page:#fff;--soft:#565c64;--rule:#c9ced6;
--good:#0b6b3a;--bad:#a3151f;--mark:#1d4f91}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--page:#16181b;--soft:#a8afb8;--rule:#454b54;
--good:#6fd39b;--bad:#ff8f8f;--mark:#8ab8f5}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0 auto;
max-width:60rem;padding:1.5rem;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.2;margin:.2em 0;overflow-wrap:anywhere}
h2{font-size:1.3rem;margin:2em 0 .6em;border-bottom:1px solid var(--rule)}
h2:focus{outline:none}p{max-width:44rem}
nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.6em 0}
caption{text-align:left;font-weight:600;padding:.4em 0}
th,td{text-align:left;padding:.35em .6em;border-bottom:1px solid var(--rule);vertical-align:top}
tbody th{font-weight:400}thead th{color:var(--soft)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td>code:only-child{display:block;min-width:16rem}code{font-size:.85em;overflow-wrap:anywhere}.pass{color:var(--good);font-weight:700}
.fail{color:var(--bad);font-weight:700}.open{font-weight:700}.soft{color:var(--soft)}
.verdict{border:1px solid var(--rule);border-left:.5rem solid var(--soft);padding:.2rem 1rem;
border-radius:.3rem;margin:1em 0}.verdict.passed{border-left-color:var(--good)}
.verdict.failed{border-left-color:var(--bad)}
figure{margin:1.4em 0}figcaption{font-weight:600;font-size:.9rem}
svg{display:block;width:100%}.plot{display:flex;gap:.5rem;height:9.5rem;margin-top:.4rem}
.plot svg{flex:1;min-width:0;height:100%;border-left:1px solid var(--soft);
border-bottom:1px solid var(--soft)}
.ends{display:flex;flex-direction:column;justify-content:space-between;text-align:right;
min-width:3.4em;font-size:.8rem;color:var(--soft);font-variant-numeric:tabular-nums}
.days{display:flex;justify-content:space-between;font-size:.8rem;color:var(--soft);
padding-left:calc(3.4em + .5rem)}
.line{fill:none;stroke:var(--mark);stroke-width:1.6;vector-effect:non-scaling-stroke}
.bar{fill:var(--mark)}.limit{stroke:var(--bad);stroke-width:3;vector-effect:non-scaling-stroke}
.drawn{width:38%;min-width:6rem}.drawn svg{height:1.3rem}
.chain{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.6rem 1.7rem}
.chain li{border:1.5px solid var(--mark);border-radius:.4rem;padding:.35rem .7rem;min-width:8.4rem;
position:relative}.chain li strong,.chain li code{display:block}
.chain li:not(:last-child)::after{content:"→"/"";position:absolute;right:-1.4rem;top:.65rem;
color:var(--soft)}
.chain .missing{border:1.5px dashed var(--bad)}.chain .missing code{color:var(--bad)}
.scroll{overflow-x:auto}a{color:var(--mark)}
a:focus-visible,.scroll:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--page);padding:.5em}
.zero{stroke:var(--soft);stroke-width:1;vector-effect:non-scaling-stroke}
@media(max-width:34rem){body{padding:1rem}.scroll td,.scroll th{white-space:nowrap}
.scroll td>code{white-space:normal}.drawn,.bars thead th:last-child{display:none}}
@media print{:root{color-scheme:light;--ink:#000;--page:#fff;--soft:#444;--rule:#999;--good:#0b6b3a;
--bad:#a3151f;--mark:#1d4f91}
body{max-width:none;padding:0;font-size:10pt}nav,.skip{display:none}
h2{margin-top:1.2em;break-after:avoid}caption{break-after:avoid}figure,tr,.chain li,.verdict
{break-inside:avoid}.scroll{overflow:visible}svg,.verdict{print-color-adjust:exact}}
"""
"""The one style sheet; colours keep 4.5 to 1 for text in both schemes."""
