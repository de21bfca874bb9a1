"""Tables, transactions and the databases behind them."""
