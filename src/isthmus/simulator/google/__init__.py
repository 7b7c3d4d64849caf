"""Google: its manners (`vendor`), how it reads JSON (`proto`, `messages`), what Gemini takes (`turns`, `rules`,
`schemas`) and what it answers (`content`, `candidate`, `counting`), in AI Studio and in Vertex AI.
"""
