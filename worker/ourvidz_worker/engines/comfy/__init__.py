"""The comfy engine: jobs are done by a ComfyUI, which runs a workflow of the operator's."""
