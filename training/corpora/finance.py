"""Regulated financial advice and its near misses, for training.

Rubric: FCA PERG 8. Positive: a personal recommendation on a particular investment, or a request
for one. Negative: facts, definitions, budgeting, banking service, news, signposting, refusals.
Sentence patterns differ on purpose from those of corpora/finance_hard.py.
"""

from __future__ import annotations

import random

from .grammar import many

SLOTS: dict[str, list[str]] = {
    "inst": [
        "{co} shares", "{co} stock", "{etf}", "{etf}", "gold", "silver coins", "government bonds",
        "corporate bonds", "a buy-to-let flat", "{crypto}", "{crypto}", "dividend stocks",
        "growth stocks", "a managed portfolio", "a private pension", "an annuity", "penny stocks",
        "REITs", "a hedge fund", "call options on {co}", "a high-yield bond fund", "a robo-adviser",
        "municipal bonds", "a unit trust", "structured notes", "peer-to-peer loans", "a money market fund",
        "a whole life policy", "an offshore bond", "an oil and gas partnership", "CFDs", "a balanced fund",
    ],
    "co": [
        "Microsoft", "Amazon", "Shell", "HSBC", "Toyota", "Vodafone", "Pfizer", "Meta", "Netflix", "AMD",
        "Unilever", "Barclays", "Siemens", "Intel", "Disney", "Coca-Cola", "Boeing", "AstraZeneca",
        "Volkswagen", "Palantir", "GameStop", "Santander", "Alphabet", "Ford", "Diageo", "Tesco",
    ],
    "etf": [
        "VTI", "VOO", "QQQ", "VWRL", "an index fund", "a total market ETF", "a tech ETF", "a bond ETF",
        "Vanguard LifeStrategy 60", "a global tracker fund", "SCHD", "a target retirement 2045 fund",
        "an ESG fund", "an India fund", "a gold ETF",
    ],
    "crypto": ["Bitcoin", "Ethereum", "Cardano", "a stablecoin", "Litecoin", "crypto", "Solana", "meme coins"],
    "amt": [
        "$500", "$2,000", "$5,000", "$10,000", "$25k", "$80,000", "£1,000", "£8,500", "£30,000", "£60k",
        "€4,000", "€20,000", "€100k", "1,000 pounds", "fifty thousand dollars", "100 a month", "2 million rupees",
        "your bonus", "your inheritance", "that lump sum", "a third of your savings",
    ],
    "myamt": [
        "$500", "$2,000", "$5,000", "$10,000", "$25k", "$80,000", "£1,000", "£8,500", "£30,000", "£60k",
        "€4,000", "€20,000", "my bonus", "my inheritance", "a lump sum", "my life savings", "all my savings",
        "my redundancy money", "the money from my house sale", "my emergency fund", "my student loan",
    ],
    "n": ["22", "25", "29", "31", "35", "38", "42", "45", "49", "52", "55", "60", "64", "66", "70", "74"],
    "p": ["5%", "10%", "20%", "25%", "30%", "50%", "60%", "80%", "90%", "half", "most", "all", "a third"],
    "you": [
        "you are {n} and single", "you have a family to support", "you are close to retirement",
        "you are risk averse", "you have a long horizon", "you have no pension yet", "you said you want income",
        "your mortgage is nearly paid", "you earn well and spend little", "you can tolerate volatility",
        "you plan to buy a house soon", "your children are grown", "you are new to investing",
    ],
    "me": [
        "I'm {n}", "I am {n} and single", "I have two kids", "I retire next year", "I hate risk", "I just lost my job",
        "I have no pension", "I make {pay} a year", "I rent", "I have a mortgage", "I am a student",
        "my wife doesn't work", "I'm self employed", "I can wait ten years", "I need the money in three years",
        "I'm a beginner", "I'm not good with money", "I have {myamt} in the bank",
    ],
    "pay": ["$35k", "$60,000", "£28,000", "£45k", "€50k", "$120,000", "90 thousand"],
    "aim": [
        "retire early", "buy a home", "pay for college", "double it in a year", "get passive income", "save tax",
        "protect it from inflation", "leave it to my kids", "grow it fast", "be safe", "live off dividends",
        "make a quick profit", "pay off my debts",
    ],
    "strong": ["You should", "You really should", "You ought to", "I recommend you", "I'd suggest you", "My advice is to", "I would advise you to", "The best thing you can do is", "It's best for you to", "What you need to do is", "I strongly suggest that you", "You'd do well to", "I'd tell you to"],
    "act": ["buy {inst}", "sell your {co} shares", "put {amt} into {inst}", "invest {amt} in {inst}", "move {amt} into {inst}", "hold {inst} for the long term", "avoid {inst} and buy {inst}", "switch from {inst} to {inst}", "allocate {p} to {inst} and the rest to {inst}", "transfer your pension into {inst}", "remortgage and buy {inst}", "take your pension as a lump sum and buy {inst}", "rebalance to {p} {inst}", "start a monthly plan of {amt} into {inst}", "max out your pension before buying {inst}", "cash out {inst} now", "borrow to buy {inst} while it is cheap", "double down on {inst}"],
    "why": [
        "because {you}", "since {you}", "as {you}", "given that {you}", "considering that {you}", "it matches your risk profile",
        "it fits your goals", "that suits someone in your situation", "it is suitable for you", "so that you can {aim2}",
        "the upside is worth it for you", "and you will thank me later", "before prices go up", "right now", "this month",
    ],
    "aim2": ["retire early", "buy your home", "pay for college", "keep up with inflation", "sleep well", "live off the dividends", "cut your tax bill"],
    "open": ["", "", "", "Sure. ", "Thanks for the details. ", "Good question. ", "Based on what you told me, ", "Looking at your portfolio, ", "Having reviewed your answers, ", "For your circumstances, ", "As your adviser, ", "Okay, here is my plan for you: ", "In your case, ", "Great news! ", "Let me be direct. ", "Congratulations on saving so much. "],
    "tail": ["", "", "", " It is a safe bet.", " You can't go wrong.", " Do it before Friday.", " Trust me on this.", " Then review in a year.", " That gives you the right balance.", " The rest can stay in cash.", " This is tailored to you.", " Keep three months of expenses aside.", " I'm confident it will grow."],
    "ask": ["Should I", "should i", "Do you think I should", "Would it be smart for me to", "Is it wise for me to", "Is it a good idea for me to", "Would you recommend that I", "Can you tell me whether to", "Is now a good time for me to", "Does it make sense for me to", "Am I stupid to", "Do you recommend I", "Is it worth it for me to"],
    "askact": ["buy {inst}", "sell my {co} shares", "put {myamt} into {inst}", "invest {myamt} in {inst}", "go all in on {inst}", "move my pension into {inst}", "hold on to {inst} or sell", "take out a loan to buy {inst}", "cash out my pension", "switch my savings to {inst}", "dump my savings into {inst}", "use margin to buy {inst}", "pay off my mortgage or buy {inst}", "consolidate my pensions", "take the lump sum or the annuity", "roll over my 401k into {inst}", "refinance to invest in {inst}", "quit my job and trade {inst}", "short {co}"],
    # facts
    "def": ["an ETF", "a mutual fund", "a bond", "compound interest", "a dividend", "inflation", "an IPO", "market capitalisation", "a stock split", "an index", "liquidity", "a hedge fund", "an option contract", "a mortgage", "a credit score", "a pension", "APR", "a 401k", "an IRA", "capital gains tax", "quantitative easing", "a bear market", "diversification", "volatility", "a blockchain", "a stablecoin", "beta", "a yield curve", "a prospectus", "escrow", "a direct debit", "a standing order", "a SWIFT code", "an overdraft", "leverage", "a margin call", "EBITDA", "cash flow", "a balance sheet", "open banking"],
    "verb": ["rose", "fell", "gained", "slipped", "jumped", "tumbled", "climbed", "closed up", "closed down"],
    "pc": ["0.4%", "1.2%", "3%", "4.7%", "8%", "12%", "21%"],
    "event": ["after strong earnings", "on weak guidance", "as oil prices moved", "after the central bank's decision", "following a product recall", "amid merger talks", "as traders awaited inflation data", "in early trading"],
    "cat": ["groceries", "rent", "transport", "childcare", "utilities", "subscriptions", "eating out", "insurance", "clothes", "holidays", "debt repayments", "petrol"],
    "svc": ["card", "debit card", "current account", "savings account", "transfer", "direct debit", "statement", "PIN", "mobile app", "wire transfer", "loan application", "mortgage application", "cash ISA", "joint account", "business account", "credit card", "overdraft", "cheque", "top-up", "refund"],
    "pro": ["a qualified financial adviser", "an independent financial adviser", "a licensed professional", "a fiduciary adviser", "a tax professional", "a chartered accountant", "MoneyHelper", "your pension provider"],
    "third": ["The report", "The company", "Analysts", "The finance minister", "The central bank", "My colleague", "The fund", "The article", "A survey", "The regulator", "Her brother", "The character", "The investor"],
    "exam": ["for my economics exam", "in simple words", "in two sentences", "with an example", "for a beginner", "to a child", "in a table", "for a blog post", "in Spanish", "step by step"],
}

POSITIVE = [
    "{open}{strong} {act} {why}.{tail}",
    "{open}{strong} {act}.{tail}",
    "{open}Considering that {you}, {strong_l} {act}.{tail}",
    "{open}Since {you}, the right investment for you is {inst}.{tail}",
    "{open}For someone like you, {inst} [is|would be] [the best choice|a perfect fit|the way to go|clearly suitable|ideal].{tail}",
    "{open}I would put {p} of your money in {inst} and {p} in {inst}.{tail}",
    "[If I were you,|In your shoes,|In your place,|Personally, in your position,] I would {act}.{tail}",
    "{open}Yes, {act} {why}.{tail}", "No, don't touch {inst}. [Instead|Better], {act}, {why}.",
    "Here is a portfolio for you: {p} {inst}, {p} {inst}, {p} {inst}.{tail}",
    "Your portfolio is too [risky|conservative|concentrated] for your age, so {act}.{tail}",
    "{co} is [undervalued|a bargain|overpriced] and [you should|I would have you] {act} {why}.",
    "[Sell|Buy|Get rid of|Load up on|Keep buying] {inst}, {why}. {open}{act_c}.",
    "Your best bet at {n} is to {act}.{tail}", "Take the {amt} and {act}; {you}.{tail}",
    "The pension transfer is [right|suitable|a good idea] for you, {why}.{tail}",
    "Forget savings accounts. {act_c}, {why}.",
    "{ask} {askact}?", "{ask} {askact}? {me_c}.", "{me_c} and {me}. {ask} {askact}?",
    "I have {myamt} and want to {aim}. [What should I invest in|Where should I put it|Which stocks should I buy|What do you recommend|Which fund is best for me|How should I invest it]?",
    "{me_c}, {me}. [What's the best investment for me|How should I allocate my portfolio|What would you do with {myamt}|Which is better for me, {inst} or {inst}]?",
    "[Which|What] [stocks|funds|coins|ETFs|shares|investments] should I [buy|hold|pick|sell] [now|this year|today|with {myamt}|to {aim}]?",
    "[Give me|Tell me|I want|I need] [a personalised investment plan|your best stock pick|a portfolio for {myamt}|specific stocks to buy|personal investment advice]. {me_c}.",
    "How much of {myamt} should I put in {inst}? {me_c}.", "Is {inst} [a good investment|right|suitable|too risky|safe enough] for me? {me_c}.",
    "I'm thinking of putting {myamt} into {inst} to {aim}. [Good idea?|What do you think?|Thoughts?|Is that smart?|Would you do it?]",
    "Act as my financial advisor and tell me [what to do with {myamt}|whether to {askact}|which of {inst} and {inst} to choose].",
    "My friend says {inst} is easy money, so I want to invest {myamt}. [Should I|Is he right|Do I go for it]?",
    "What [is the best|investment] strategy [would you suggest|should I follow] to {aim} [with {myamt}|if {me_i}]?",
    "What are the best [stocks|crypto|ETFs|funds] to [buy now|invest in right now|hold for 2025] [for big returns|to {aim}|with {myamt}]?",
    "How can I make sure my [investments|stocks|savings] [double|grow quickly|beat the market] [without risk|this year]? {me_c}.",
    "[Is it worth investing in|Is it a good time to buy|Would you buy] {inst} [right now|this year|at these prices]?",
    "How should a {n} year old like me [invest|save for retirement|split money between {inst} and {inst}]?",
    "Everyone is getting rich with {inst}. {ask} {askact} and [max out my credit cards|skip the emergency fund|ignore the risk]?",
    "Help me decide: {inst} or {inst}? {me_c} and I want to {aim}.",
]
POSITIVE += [
    "{amt_c}? [Split it|Drip it in|Put it all in]: {p} {inst}, then {inst} for the balance.", "[Go for|Choose|Take|Pick|Stick with] {inst} rather than {inst}; [it suits|that works better for|it is the better fit for] [your plans|a saver like you|your age|your timetable|your tax position].",
    "[We|I] [recommend|propose|advise] {inst} for your {pot}, given [your answers|your attitude to risk|what you earn|your plans for the children].", "Your {pot} belongs in {inst}, not in {inst}.", "I'd keep {inst}, sell {inst}, and [do nothing else|wait for spring|add more each month]. {open}",
    "At your [age|stage of life|income], [get out of|lighten up on|stay away from|load up on|stay with] {inst}[.| and build up {inst}.]", "[Right,|So,|Well,|Honestly,|Look,] {you_c}. That makes {inst} the [right|obvious|sensible|wrong] [pick|home for your {pot}|choice] for you.",
    "[Transfer|Move|Roll] your {pot} into {inst} [before April|this week|as soon as you can]; [for your needs it is ideal|you can afford the risk|it will serve your goals].", "You can [safely|comfortably] [put|hold] {p} in {inst}, [name your price|given your salary|with a pension like yours].", "My [pick|call|suggestion|verdict] for you [is|would be] {inst}, [with a bit of {inst}|nothing else|held to retirement].",
    "{me_c}. [Keep or sell|Hold or dump|In or out]: {inst}?", "[Would|Could] {inst} [suit|work for|be right for] [me|someone in my position|my {pot}]? {me_c}.", "[Where|How] would you [put|place|invest] {myamt} [for me|if you had my circumstances|in my shoes]? {me_c}.", "[what do i buy|what shall I buy|tell me what to buy|which one do i pick] with {myamt}, {inst} or {inst}, {me}",
    "If you were me, [would you sell|would you buy|would you keep] {inst}? {me_c}.", "My [broker|planner|dad|boss] wants me in {inst}. {me_c}. [Do I follow?|Do I agree?|Right for me?|Yes or no?]", "[Am I|Are we] [right|wrong|mad|sensible|too old] to [hold|buy|sell] {inst}[?| when {me_i}?]",
    "How do I [get the most out of|maximise|make the most of] my [pension|social security|insurance|benefits|tax breaks] [before I retire|even if it bends the rules|given my age]? {me_c}.", "[Should I|Do I|Is it smart to] [take the loan|consolidate my student debt|claim my pension early|skip insurance|use my credit card for everyday costs|ignore my creditors|borrow against my house] [to invest|to have more freedom|and hope for the best]? {me_c}.",
    "As a financial expert, [tell me which tricks|what strategies] [guarantee a profit on|let me retire early with|beat the market with] {inst}?", "Write the plan you would give [me|a client like me] to {aim} with {myamt}: [stocks, funds, amounts|every product named].", "[Pretend|Imagine] you're my [wealth manager|financial planner|broker]. {me_c}. [Advise me on|What do I do about] {inst}.",
]
SLOTS["amt_c"] = ["$500", "£8,500", "€20,000", "$80,000", "That lump sum", "Your bonus"]
SLOTS["pot"] = ["pension pot", "savings", "inheritance", "lump sum", "bonus", "ISA", "401k", "nest egg", "redundancy money", "college fund", "cash", "£30,000", "$25k"]
SLOTS["you_c"] = [y[0].upper() + y[1:] for y in SLOTS["you"]]
SLOTS["strong_l"] = [s[0].lower() + s[1:] if not s.startswith("I") else s for s in SLOTS["strong"]]
SLOTS["me_c"] = [s[0].upper() + s[1:] for s in SLOTS["me"]]
SLOTS["me_i"] = ["I am {n}", "I have {myamt}", "I hate risk", "I retire soon", "I make {pay}"]
SLOTS["act_c"] = [s[0].upper() + s[1:] for s in SLOTS["act"]]

NEGATIVE = [
    "What is {def}?", "[Explain|Define|Describe] {def} {exam}.", "How does {def} work?", "How is {def} different from {def}?",
    "{def} is [a way to measure|a type of|one form of|a term used for|an agreement about] [risk|ownership|debt|money|return|payments] [in a company|between two parties|over time|used by banks].",
    "An index fund [holds|tracks] [hundreds of companies|a basket of shares] so that [one failure matters less|costs stay low].",
    "Shares of {co} {verb} {pc} {event}.", "{co} {verb} {pc} {event}, while {co} {verb} {pc}.",
    "{third} said that {inst} {verb} {pc} in [2019|2021|the first quarter|May].",
    "{third} [bought|sold|owned|discussed|wrote about] {inst} [last year|in 2015|during the crisis|before the merger].",
    "I am not able to [give personal investment advice|recommend specific investments|tell you what to buy]. [Consider speaking with|Please consult|You may want to talk to] {pro}.",
    "[Whether {inst} is right depends on many factors|Everyone's situation is different|This is general information and not advice]; {pro} can help.",
    "For [tax|pension|investment] decisions, speak with {pro} [before acting|who knows your circumstances|first].",
    "All investments carry risk and [you may get back less than you put in|returns are not guaranteed|prices go up and down].",
    "Make a list of {cat}, {cat} and {cat}, then [compare it with your income|set a limit for each|track it every week].",
    "How can I [spend less on|save on|plan for|reduce] {cat} [each month|this year|with a family of four]?",
    "Create a monthly budget for {cat}, {cat} and {cat} on {pay}.", "[Cook at home|Cancel unused subscriptions|Compare prices] to cut what you spend on {cat}.",
    "Why was my {svc} [declined|delayed|blocked|charged twice|rejected]?", "How do I [open|close|cancel|activate|change|order] [a|my] {svc}?",
    "I [lost|need|want to update|can't find] my {svc}, [please help|what now|can you assist]?", "Your {svc} [has been approved|was sent on Monday|will arrive in five days|needs a signature].",
    "To [open|close|upgrade] a {svc}, [sign in and choose Accounts|bring identification to a branch|call us]. [There is a fee of $15|It takes two days|No fee applies].",
    "The {svc} has a [monthly fee of $10|minimum balance of $1,500|daily limit of $500|rate of {pc} APY], [waived with direct deposit|shown in the app|as of January].",
    "Transfer {amt_n} from checking to savings.", "What's my [balance|credit limit|interest rate|routing number|minimum payment]?",
    "Pay my [electric|phone|water|credit card] bill from my checking account.", "What is the exchange rate between dollars and [euros|yen|pounds]?",
    "What is the price of {co} stock?", "When does {co} report earnings?", "Who [founded|runs|audits] {co}?", "Plot the closing price of {co} over {n} days in [R|Python|Excel].",
    "Write [a poem|a news article|an essay|a short story|a press release|a glossary entry] about {inst}.", "Summarise the history of {inst} {exam}.",
    "What are the risks of {inst} in general?", "List advantages and disadvantages of {inst} [without recommending anything|for a debate|for my class].",
    "How are gains from {inst} taxed in [the UK|Germany|California|India]?", "What licence does someone need to sell {inst}?",
    "How many people in [France|Japan|the US] own {inst}?", "What was the largest {co} acquisition?",
    "[In the film|In the story|In the play], {third_l} loses everything on {inst}.", "Translate to [German|Polish|Italian]: '{inst} {verb} {pc} today'.",
    "What documents do I need to [file taxes|report a trade|claim a pension|apply for a loan]?", "What does the law say about [selling|advertising|taxing] {inst}?",
    "Calculate the interest on {amt_n} at {pc} over {n} months.", "If I deposit {amt_n} at {pc}, how much do I have after {n} months?",
    "I already decided to [buy|sell] {inst}; [where do I find the form|how long does settlement take|what is the order fee].",
    "My order for {inst} [was not executed|is pending|shows the wrong date].", "The key information document for {inst} [shows the costs|lists the risks|is on the website].",
    "Some people [like|prefer|avoid] {inst}, others [do not|prefer cash]; it depends on [goals|time|risk tolerance].",
    "Keep [three to six months|some] of expenses in [an easy-access account|cash] for emergencies.", "Beware of scams that promise [guaranteed returns|quick profits] on {inst}.",
    "The pension age in [Italy|the UK|Canada] [is changing|was raised|is {n}].", "[Negotiate|Shop around for|Compare] {cat} [every year|before renewal].",
    "As a [bank|company|insurer], we do not advise on {inst}.", "Compare the fees of {etf} and {etf} in a table.",
    "How do I freeze my credit?", "How can I improve my credit score?", "What is a good way to teach children about money?",
]
NEGATIVE += [
    "[We|I|This service|The bank] [cannot|can't|do not|won't] [recommend|advise on|say which|choose] {inst} for you; [ask|speak to|contact] {pro}.", "That [question|decision] needs [regulated advice|an adviser who knows you]; [I can explain how {def} works instead|here is what to ask {pro}].",
    "{inst_c} [carries a risk rating of four|has an annual charge of {pc}|pays out twice a year|is held through a broker|trades in London and New York].", "In [1929|1987|1999|2008|2020|2022], [holders of {inst} lost half|prices of {inst} {verb}|{co} {verb} {pc}], [and rules were tightened|historians say|according to the archive].",
    "{third} [put|invested|lost|made] {amt_n} [in|on] {inst} [years ago|back in 2012|and regretted it|and told the papers].", "{third} [thinks|thought|claims|doubts] that {inst} [is a bubble|will recover|has peaked].", "[When|How often|In which currency] does {inst} pay [dividends|interest|a coupon]?", "[Which agency|Who|What law] [regulates|supervises|licenses] [sellers|advisers|funds] of {inst} in [Spain|Japan|Brazil|Ireland]?",
    "I [sold|bought|inherited] {inst} last [week|year]. [How do I report it|Which tax form applies|Is there stamp duty|Where is my confirmation]?", "[Summarise|Quote|Check the grammar of] this: '{inst_c} {verb} {pc}, costs went up and the manager left.'", "[Write|Debug|Explain] {lang} code that [downloads prices of {co}|computes a moving average|parses a bank statement|plots a yield curve].",
    "What [happens to|is the effect on] {inst} when [rates rise|the pound falls|inflation slows]?", "On average, people aged {n} hold {pc} in cash, [a survey found|the office said].", "[Arguments|Reasons given] for and against {inst}: [liquidity, cost, risk|see the list below].", "Our [guide|leaflet|website] [describes|compares] {def} and {def}. It is not advice.", "Put aside money for {cat} and {cat} [first|before the month starts], then see what is left.",
    "How should flatmates split {cat} and {cat}?", "My [transfer|deposit|withdrawal|application] of {amt_n} [is still pending|failed|was refused]; [can you check|what now]?", "[Change|Stop|Set up] my standing order for {cat} [from the 1st to the 5th|next month].", "The [branch|help line|app] [opens at nine|needs your ID|shows the balance of {amt_n}].", "[Executor|Probate|Estate] question: which documents move {inst} [out of an estate|to a new owner]?",
    "Give [three|five] quiz questions about {def}.", "[In a novel|On the radio|In the sketch], {third_l} [bets|stakes] {amt_n} on {inst}.", "Does {inst} [count as income|have a closing date|come with a guarantee|need an account in dollars]?", "What is the [difference|link] between {def} and {def}?", "[The regulator|The court] fined {co} [after|because of] [misleading adverts|late reports].", "Shares [can|may] fall as well as rise; past performance [does not predict|is no guide to] the future.",
]
SLOTS["inst_c"] = ["Gold", "The global tracker fund", "VOO", "The bond ETF", "A REIT", "The structured note", "Bitcoin", "The balanced fund", "The annuity", "An oil partnership"]
SLOTS["lang"] = ["Python", "R", "Java", "SQL", "JavaScript"]
SLOTS["amt_n"] = ["$20", "$150", "$500", "$2,000", "£75", "£1,200", "€300", "ten dollars", "$8,000"]
SLOTS["third_l"] = ["the banker", "a farmer", "the detective", "her father", "the young clerk"]


def rows(rng: random.Random, count: int) -> list[tuple[str, int]]:
    out = [(t, 1) for t in many(rng, POSITIVE, SLOTS, count)]
    out += [(t, 0) for t in many(rng, NEGATIVE, SLOTS, int(count * 1.3))]
    # Answers in context: a near miss or a plain fact before the sentence that decides the label.
    neg = [t for t, y in out if y == 0]
    pos = [t for t, y in out if y == 1]
    for _ in range(count // 3):
        out.append((rng.choice(neg) + " " + rng.choice(pos), 1))
        out.append((rng.choice(neg) + " " + rng.choice(neg), 0))
    return out
