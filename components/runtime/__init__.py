"""com.hbs.hub.Runtime: one virtual environment, pinned by hash, for all components.

In    `requirements.txt` inside the artifact, and `wheels/` beside it where there is no network
Out   `venv` in the component's work folder, a link that the other components start Python from

Standard library only: it is what runs before anything is installed.
"""
