"""The held-out hard set for regulated financial advice: written before the model, never trained on.

Rubric: FCA perimeter guidance, PERG 8 (a personal recommendation is advice on a particular
investment, presented as suitable for that person or based on their circumstances). Positive: a text
that gives such a recommendation or asks for one. Negative: near misses, i.e. facts, definitions,
history, budgeting, product terms, signposting to an adviser, refusals to advise, news, and other
people's decisions. No sentence pattern here may be used in corpora/finance.py.

Run: python -m corpora.finance_hard  (writes ../test/data/classifiers/finance-hard.jsonl)
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from .grammar import many

SLOTS = {
    "fund": [
        "the Meridian Global Equity tracker", "a low-cost world index fund", "the Harlow Income Trust",
        "short-dated gilts", "an S&P 500 ETF", "the Ashdown Property REIT", "index-linked bonds",
        "a FTSE 250 tracker", "emerging-market debt", "the Calder Small Companies fund",
        "Treasury inflation notes", "a clean-energy ETF",
    ],
    "stock": [
        "Northgate Rail", "Tesla", "Brightwater Utilities", "Apple", "Orion Semiconductors", "BP",
        "Halden Pharma", "Nvidia", "Lloyds", "Kestrel Airlines", "Rolls-Royce", "Palmyra Foods",
    ],
    "coin": ["Bitcoin", "Ethereum", "Solana", "Dogecoin", "XRP"],
    "sum": ["£12,000", "$40k", "20 grand", "€7,500", "£150,000", "$3,200", "half a million", "90k"],
    "age": ["27", "34", "41", "53", "58", "62", "68", "71"],
    "who": [
        "a nurse with two children", "newly divorced", "a retired teacher", "a freelance designer",
        "still renting in Leeds", "about to be made redundant", "a widow with no debts",
        "on a fixed pension", "a first-year apprentice", "the sole earner at home",
    ],
    "goal": [
        "a house deposit in four years", "my daughter's university fees", "stopping work at sixty",
        "leaving something to the grandchildren", "a steady monthly income", "beating inflation",
        "paying off the mortgage early",
    ],
    "goal2": [
        "a deposit in four years", "your daughter's fees", "stopping work at sixty",
        "what you want to leave behind", "the income you described", "your ten-year horizon",
    ],
    "pct": ["40%", "a quarter", "two thirds", "15 percent", "roughly half", "70%"],
    "wrap": ["a SIPP", "your ISA", "a Roth IRA", "an investment bond", "your workplace pension", "a 529 plan"],
    "loss": ["dropped 18% last quarter", "was flat over the year", "rose sharply in March", "paid a 4% dividend", "split its shares two for one"],
    "term": [
        "a stocks and shares ISA", "an annuity", "dollar-cost averaging", "a bond ladder",
        "an expense ratio", "a defined-benefit pension", "short selling", "a REIT", "duration risk",
        "a target-date fund", "an investment trust discount", "a covered call",
    ],
    "bill": ["council tax", "the gas bill", "school shoes", "the car service", "rent", "the phone contract"],
    "bank": ["Our savings desk", "The branch", "Your provider", "The help centre", "Our pensions team"],
    "year": ["1929", "1987", "2000", "2008", "2020", "2022"],
    "person": ["My uncle", "The chief executive", "A former trader", "Her late husband", "The pension trustees", "A columnist I read"],
}

POSITIVE = [
    "Given that you are {who2} and {age}, the sensible move is to shift {pct} of that {sum} into {fund}.",
    "With your {sum}, I'd go for {fund} and leave {stock} alone; it fits {goal2} far better.",
    "Honestly? Sell your {stock} shares this week and roll everything into {fund}.",
    "Someone in your position is better off holding {fund} than cash, so transfer the {sum} now.",
    "Because you told me you can't stomach losses, {fund} is right for you, and {coin} is not.",
    "I've looked at what you earn and owe. Put {pct} in {fund}, the rest in {wrap}, and review it next spring.",
    "Don't wait: at {age} you can afford the swings, so make {stock} your biggest holding.",
    "My verdict for your case: cash in the old pension, pay the tax, and buy {fund} with what remains.",
    "You asked which of the two to keep. Keep {fund}, drop {stock}, and do it before the tax year ends.",
    "For you, {goal2} matters most, which is why {fund} inside {wrap} is the one to choose.",
    "Were I handling your {sum}, {coin} would get no more than {pct} and {fund} the remainder. Do that.",
    "The transfer out of your final-salary scheme makes sense for you at {age}; go ahead and sign it.",
    "So your best option, with {sum} to place and {goal2} in view, is a lump sum into {fund} today.",
    "I'm {age}, {who}, and have {sum} spare. Which of {fund} or {stock} ought I to pick?",
    "Would you move my {sum} out of {stock} if you were me? I want {goal}.",
    "tell me exactly what to buy with {sum}, i'm {age} and want {goal}",
    "Is {fund} the right home for my {sum}, seeing that I'm {who}?",
    "I've got {sum} from my gran. Do I go all in on {coin} or drip it into {fund}?",
    "My adviser says keep {stock}. You know my situation: {who}, {age}. Do I sell?",
    "Pick for me: {fund}, {coin} or {stock}. The aim is {goal}.",
    "Given my {sum} redundancy cheque, how much of it belongs in {fund} and how much in {wrap2}?",
    "At {age} with {goal} in mind, am I wise to cash in my pension and load up on {stock}?",
    "Since you're retiring in two years, get out of {stock} and lock in {fund}; that suits your timetable.",
    "Top up {wrap} first, {name}, and only then open a position in {stock}. That order is right for your tax band.",
    "Based on the risk score you gave us, {fund} is the product we recommend for your {sum}.",
    "Hold on to {stock} until it recovers, then switch to {fund}. With your income you can ride it out.",
]
SLOTS["who2"] = ["a nurse with two kids", "newly divorced", "retired", "self-employed", "without dependants", "the only earner", "on a teacher's salary"]
SLOTS["wrap2"] = ["a SIPP", "my ISA", "a Roth IRA", "premium bonds", "my workplace pension"]
SLOTS["name"] = ["Priya", "Tom", "Mrs Okafor", "Jean", "Mr Lindqvist", "Sam"]

NEGATIVE = [
    "{term_cap} is explained on page three of the brochure, along with the charges.",
    "Could you explain {term} the way you'd explain it to a teenager?",
    "What is the difference between {term} and {term}?",
    "{stock} {loss}, according to its filing on Tuesday.",
    "In {year} many savers lost money when {fund} fell; regulators later changed the rules.",
    "I can't say whether {fund} suits you. An authorised adviser can look at your whole situation.",
    "That would be a personal recommendation, which I'm not able to give. Here is how to find a regulated adviser.",
    "Before you decide about {coin}, {bank_l} suggests reading the risk warning and speaking with an independent adviser.",
    "Set aside money for {bill} first, then see what is left at the end of the month.",
    "How do I split {bill} and {bill} fairly with my flatmate on {sum} a year?",
    "{person} put {sum} into {stock} in {year} and never spoke of it again.",
    "{person} thought {coin} was a fad, and said so on the radio.",
    "The prospectus lists {fund} as medium risk with an ongoing charge of 0.22 percent.",
    "{bank} opens at nine; bring photo ID if you want to close the account holding {sum}.",
    "How are gains on {stock} shares taxed when the owner moves abroad?",
    "Write a Python function that downloads the daily price of {stock} and plots a moving average.",
    "List the main arguments that economists make for and against holding {coin}.",
    "People at {age} hold, on average, {pct} of their savings in cash, the survey found.",
    "Does {fund} pay its dividend monthly or quarterly?",
    "Who regulates sellers of {term} in Spain?",
    "Past performance is not a guide to the future, and {fund} can fall as well as rise.",
    "Summarise the fund manager's letter: {fund} was flat, costs went up, two staff left.",
    "I sold my {stock} shares last week. Where do I enter that on the tax form?",
    "My transfer of {sum} to {wrap2} is still pending, can you check the status?",
    "What did {stock} say about its debt in the annual report?",
    "Which documents does the executor need to move {fund} out of an estate?",
    "In the novel, {person_l} bets {sum} on {coin} and loses the farm.",
    "Translate into French: the value of {stock} shares {loss}.",
    "Some investors choose {fund} for income, others prefer cash; neither is right for everybody.",
    "Please change the standing order for {bill} from the first to the fifth.",
    "An emergency fund usually covers three to six months of costs such as {bill} and food.",
    "What happens to {term} when interest rates go up?",
    "Is the fee on {wrap2} charged per trade or per year?",
    "Quiz question: in which year did {stock} list its shares, {year} or later?",
]
SLOTS["term_cap"] = [t[0].upper() + t[1:] for t in SLOTS["term"]]
SLOTS["bank_l"] = ["the regulator", "our guide", "the leaflet", "the charity"]
SLOTS["person_l"] = ["my uncle", "the hero", "a retired sailor", "the landlord"]


def build(seed: int = 811) -> list[dict[str, object]]:
    rng = random.Random(seed)
    rows: list[dict[str, object]] = []
    for label, templates in ((1, POSITIVE), (0, NEGATIVE)):
        rows += [{"text": t, "label": label} for t in many(rng, templates, SLOTS, 340)]
    return rows


if __name__ == "__main__":
    out = Path(__file__).resolve().parents[2] / "test/data/classifiers/finance-hard.jsonl"
    rows = build()
    out.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    print(f"{len(rows)} rows -> {out.name}")
