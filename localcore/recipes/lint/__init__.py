"""`localcore recipe lint`: what a recipe does wrong on either nucleus, before it is deployed.

`document` reads YAML and JSON into nodes that know their lines, `recipe_file` finds a recipe's
parts in them, each module `rules_*` is one family of rules, `run` applies them to files and
folders, `exceptions` leaves out what a project accepts with a reason, and `report` prints.

A rule has an id, a severity, the nuclei it is about, a reason, the source of the reason and a
fix. An error is something that fails, loses something or is unsafe; a warning works, but not
everywhere or not as its author may think.
"""
