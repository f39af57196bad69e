"""The audit layer: the tables in which the warehouse keeps account of its own work.

What belongs here: their place in the graph. What must not be here: the checks (``pipelines.checks``).

They are external assets: other steps write them as part of their own transactions, so they cannot be computed by
themselves.
"""

from pipelines.describe import spec

# Table -> what stands for the step that writes it.
_WRITTEN_WITH = {
    "audit.calc_run": ("ref.factor",),
    "audit.pending": ("raw.ingest_file",),
    "audit.pending_hour": ("raw.ingest_file",),
    "audit.pending_job": ("raw.ingest_file",),
    "audit.segment_input": ("core.energy_segment",),
    "audit.materialisation": ("mart.footprint_daily", "mart.training_vs_inference_monthly", "mart.model_lifecycle"),
    "audit.finding": ("mart.footprint_daily", "mart.training_vs_inference_monthly"),
    "audit.restatement": ("mart.training_vs_inference_monthly",),
}

audit_tables = [spec(name, deps=dict.fromkeys(sources)) for name, sources in _WRITTEN_WITH.items()]
