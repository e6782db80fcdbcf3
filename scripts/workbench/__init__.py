"""What the commands in `scripts/` do: build, check, stage for gdk, lock, run.

names       one component, one name, four spellings
build       the artifacts, byte for byte reproducible
gdk         one GDK project per component, staged for the real gdk
lock        requirements/*.txt from requirements/*.in
bootstrap   the project's own virtual environment
"""
