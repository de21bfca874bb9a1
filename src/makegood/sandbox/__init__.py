"""A third-party payment platform to test against, in a process of its own.

It speaks the real platforms' protocols, Alipay's (`alipay/`), WeChat Pay's (`wechatpay/`) and Stripe's (`stripe/`),
has a cashier's page where the buyer pays or declines, and sends signed notifications on each platform's own retry
ladder. What it holds survives kill -9. Each platform is one folder; trades, the cashier, the notifier, faults, control
and the page for a person (`page.py`) are shared, and `house.py` puts them together.

Choices where Alipay is vague, or has no test world (those of the others stand in their folders):

- A trade comes into being when the buyer scans its QR code, which here is opening the cashier's page or paying
  there. Until then query, close and refund answer ACQ.TRADE_NOT_EXIST.
- Closing a trade that was never scanned answers ACQ.TRADE_NOT_EXIST too, and from then on the QR code is dead. The
  real platform may let a later scan pay: a shop must not take that answer for a promise.
- An out_trade_no that was closed, died or expired never comes back: a new precreate answers ACQ.TRADE_HAS_CLOSE.
- A page's trade is made when the browser arrives; like a code that nobody scanned, it does not exist before it is seen.
- Expiry counts from precreate; the earliest of timeout_express, qr_code_timeout_express and time_expire holds, two
  hours when none is given. Times without a zone are Beijing's (UTC+8), as on the real platform; time_expire counts
  from the merchant's time, though the sandbox's clock runs ahead.
- Declining leaves the trade waiting: the buyer may still pay until it expires. It is written down; no shop is notified.
- Notifications are sent for payments and refunds, not for closing: the real platform's default for this product.
- refund_fee is the sum of all refunds of the trade so far, in answers and notifications, as on the real platform.
"""
