"""Component recipes: read, chosen by platform, and filled in.

`parse` turns YAML or JSON into a `model.Recipe`, `platform` picks the manifest for this machine,
`interpolate` fills in `{artifacts:path}` and its like.
"""
