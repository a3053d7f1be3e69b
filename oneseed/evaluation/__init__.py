"""Numbers with floor and ceiling: do picture and caption belong together?

Drawn collections are judged exactly (`exact`, with `attribute_judge`), all others by networks
taught on their own pictures (`learned`, with `pair_judge`), and any collection by a judge of the
user's own (`agreement`, through the door that `judges` describes). Each measurement gives a
`Section`; `report` writes them down.
"""
