"""Operations: dead letters and alerts."""
