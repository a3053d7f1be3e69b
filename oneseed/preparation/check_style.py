"""The style sheet of the page of a check."""

CHECK_STYLE = """
:root {
  color-scheme: light;
  --ink: #23201c; --quiet: #6d665c; --rule: #d9d2c4; --paper: #fbf9f4; --accent: #8a2f1d;
}
* { box-sizing: border-box }
body {
  margin: 0 auto; max-width: 68rem; padding: 3rem 1.5rem 5rem;
  background: var(--paper); color: var(--ink);
  font: 17px/1.5 Georgia, "Times New Roman", serif;
}
h1 { font-size: 2.3rem; font-weight: normal; line-height: 1.15; margin: 0 }
h2 {
  font-size: 1.25rem; font-weight: normal; margin: 3.2rem 0 .9rem; padding-top: .8rem;
  border-top: 1px solid var(--rule);
}
h3 { font-size: 1rem; font-weight: normal; margin: 0 0 .3rem }
h3 .quiet { font-style: italic; margin-left: .4rem }
p, ul { margin: .4rem 0; max-width: 46rem }
.quiet, figcaption small, caption { color: var(--quiet); font-size: .85rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th {
  padding: .22rem 1rem .22rem 0; text-align: left; vertical-align: top; font-weight: normal;
}
td.number { text-align: right; white-space: nowrap }
.facts td { border-bottom: 1px solid var(--rule) }
.facts { width: 100% }
.facts td:first-child { width: 13rem }
.facts td.number { width: 6rem }
.doubt td, .doubt { color: var(--accent) }
.measures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 2rem 3rem;
}
.measures table { width: 100%; font-size: .85rem }
.measures .bar { width: 55% }
.bar span { display: block; height: .8em; margin-top: .35em; background: #b9ae99 }
.measures .quantiles { table-layout: fixed; margin-top: .4rem }
.quantiles td, .quantiles th { padding: .1rem .3rem; text-align: right }
.quantiles th { color: var(--quiet) }
.sheet {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1.8rem 1.4rem;
}
figure { margin: 0 }
.mount { display: flex; align-items: flex-end; height: 10rem }
.mount img { max-width: 100%; max-height: 100%; border: 1px solid var(--rule) }
figcaption { margin-top: .5rem; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere }
figcaption small { display: block; font-size: .75rem }
.twins {
  display: flex; flex-wrap: wrap; gap: 1.4rem; padding: .9rem 0;
  border-bottom: 1px solid var(--rule);
}
.twins figure { width: 9.5rem }
ol { margin: .4rem 0; padding-left: 1.4rem; font-size: .9rem; overflow-wrap: anywhere }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem }
  .measures { grid-template-columns: 1fr }
  .sheet { grid-template-columns: repeat(2, 1fr) }
  h1 { font-size: 1.7rem }
}
"""
