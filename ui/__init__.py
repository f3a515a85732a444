"""What a person sees: one Gradio page, one module per tab. No numerics here."""
