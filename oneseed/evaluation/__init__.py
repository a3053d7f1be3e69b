"""Numbers with floor and ceiling: do picture and caption belong together?

Drawn collections are judged exactly (`exact`, with `attribute_judge`), all others by networks
taught on their own pictures (`learned`, with `pair_judge`). Each measurement gives a `Section`;
`report` writes them down.
"""
