"""Operations on the containers of one Docker engine."""
