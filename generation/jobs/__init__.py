"""Every transition of jobs and of their slots: with assets and queue the only writers of a status.

Each function is atomic, takes its locks in one order (job, its assets by id, the owner's counter), guards its
update by the state it expects, and publishes after commit.
"""
