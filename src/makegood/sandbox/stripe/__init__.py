"""Stripe: Checkout Sessions, PaymentIntents, refunds, balance transactions, events and their webhooks.

Sources: the API reference and the pages on idempotent requests, errors and webhooks at docs.stripe.com.

Choices where the real platform has more, or cannot be had:

- All webhook endpoints have the secret in sandbox.json, as with a forwarder on one's own machine.
- A session has its PaymentIntent when it is paid; one that ends by its time is `expired`, and nobody is told.
- A PaymentIntent without a session is confirmed with a test payment method; one whose name says Declined is declined.
- Refunds succeed at once unless faults have it otherwise: then they are `pending` for a second, and fail.
- Nothing costs a fee; parameters that the sandbox does not know are ignored.
- What is dated by the merchant's clock (expires_at) counts from the merchant's time, though the sandbox's runs ahead.
"""
