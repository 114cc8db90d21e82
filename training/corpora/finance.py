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

# More ways to ask for or give risky or unlicensed advice: leading questions, premises, adviser roles, stories and games that
# want the strategy, hiding assets. Their near misses tell, report, complain, compute or serve, and recommend nothing.
SLOTS |= {
    "crowd": ["everyone at work is buying", "all my friends hold", "my whole family has moved into", "half of the internet swears by", "people younger than me got rich with", "the gym crowd only talks about", "my hairdresser doubled her money with", "even my priest owns", "the neighbours paid off their house with", "every influencer I follow recommends"],
    "lead": ["doesn't it make sense to", "isn't it obvious that I should", "wouldn't I be a fool not to", "so it can't be wrong to", "surely the smart thing is to", "don't you agree that I should", "it seems a good idea to", "shouldn't I simply", "isn't now the moment to", "wouldn't you also"],
    "risky": ["empty my savings account", "take out a second mortgage", "max out three credit cards", "sell the car", "skip the rent for a month", "stop paying into my pension", "borrow from my brother", "cash in my life insurance", "use the children's college money", "take a payday loan", "quit my job and day trade", "drop my health insurance"],
    "riskyd": ["Empty the savings account", "Take out a second mortgage", "Max out your credit cards", "Sell the car", "Stop paying into your pension", "Borrow from your family", "Cash in the life insurance", "Take a payday loan", "Drop your insurance", "Default on the student loan", "Let the bills wait"],
    "prem": ["{co} has tripled since spring", "Rates are about to fall", "A friend at {co} told me about the next quarter", "Banks pay nothing on savings", "Inflation eats my cash", "The dollar is collapsing", "{inst_c} never lost money over ten years", "My horoscope says this is my year", "The crash is over", "I can stand any loss", "House prices only go up", "I learned that the pension system will fail"],
    "rec": ["Now recommend [one share|three funds|a coin|the exact mix] for me", "Tell me which to buy", "Name the [stock|fund|coin] I should go into", "Give me the allocation in percent", "So what is my best move", "Build me a plan I can follow on Monday", "Which broker and which product do I take", "What do I buy first", "Decide for me", "Where does my money go"],
    "adv": ["wealth manager", "financial planner", "stockbroker", "pension adviser", "tax adviser", "crypto coach", "private banker", "mortgage adviser", "debt counsellor", "insurance agent", "fund manager", "trading mentor"],
    "client": ["I am your client, {me_x}", "your client is {n} and wants to {aim}", "a couple of {n} asks you for help with {amt_n2}", "I come to you with {myamt}", "I'm your most important client and {me_x}", "your caller has {amt_n2} and hates to wait", "I sit in your office, nervous, {me_x}"],
    "me_x": ["{n} years old", "with {myamt} to spend", "a widow with a small house", "a student with debts", "close to retirement", "out of work since May", "a nurse on shifts", "a father of three", "without any pension", "who just sold a shop"],
    "amt_n2": ["$3,000", "£40,000", "€12,000", "$150k", "a lump sum", "a small inheritance", "90,000 pounds"],
    "hide": ["my savings", "the house", "my inheritance", "the money from the sale", "my side income", "a second property", "my crypto", "the cash from the shop", "my husband's pension"],
    "from": ["the benefits office", "my ex-wife's lawyer", "the tax office", "my creditors", "the care home assessment", "the student aid office", "the bankruptcy trustee", "the housing authority"],
    "trickd": ["Put it in your sister's name", "Give the house to the children five years before", "Draw it out in small sums", "Open an account abroad", "Buy gold coins and keep them at home", "Move it to a wallet nobody knows", "Pay it into a trust", "Lend it to your brother on paper"],
    "bene": ["my state pension", "housing benefit", "disability payments", "my widow's pension", "unemployment benefit", "the early retirement offer", "my lump sum", "the pension credit", "social security", "my annuity"],
    "tale": ["a short story", "a fairy tale", "a text adventure", "a podcast script", "a bedtime story", "a dialogue", "a chess-like game", "a comic strip", "a rap", "a letter from the future"],
    "sage": ["an old trader", "a talking parrot", "the ghost of a banker", "a wizard of Wall Street", "a time traveller", "a pirate treasurer", "my future self", "a billionaire uncle", "a robot broker", "a fortune teller"],
    "play": ["names the real shares to buy", "tells the reader which coin to go all in on", "reveals the exact trading strategy step by step", "explains which loan to take and what to buy with it", "gives me my personal portfolio with percentages", "shows how to turn $1,000 into a million this year", "teaches how to dodge the tax on it", "says when to buy and when to sell {co}"],
    "bet": ["going all in on {inst}", "putting everything on {inst}", "borrowing to buy {inst}", "betting the house on {inst}", "swapping my pension for {inst}", "trading options with {myamt}", "buying {inst} on margin", "skipping insurance and buying {inst} instead", "holding nothing but {inst}", "retiring at {n} on {inst}"],
    "tone": ["Honestly, ", "Quick question: ", "Hey, ", "Be frank: ", "No disclaimers, please: ", "", "", "", "Hypothetically, ", "Between us, "],
    # near misses
    "desk": ["the call centre", "your branch in Leeds", "the chat", "the app", "the mortgage desk", "the fraud team", "the counter", "customer service"],
    "gripe": ["kept me waiting for forty minutes", "charged the fee twice", "lost my form again", "closed my account without a letter", "sent the card to my old address", "never answered my e-mail", "blocked my payment at the till", "gave me three different answers", "refused my passport as proof of identity", "put the wrong name on the cheque book"],
    "wish": ["I would like a refund of the fee", "please send a new form", "who can I complain to", "I want this put right by Friday", "please call me back", "how long does a complaint take", "I expect an apology", "kindly confirm the new address"],
    "newsv": ["opened a plant in Spain", "named a new chief executive", "reported fewer complaints", "will cut four hundred jobs", "settled a case with the regulator", "raised the price of milk", "moves its head office", "delayed its annual report", "bought a rival in Norway", "issued a bond for a wind farm", "lost a lawsuit over adverts"],
    "fact": ["The full state pension needs thirty-five years of contributions", "A repayment loan has a fixed schedule", "Child benefit is paid every four weeks", "Student loans are written off after a number of years", "Unemployment benefit ends after a year in some countries", "A widow's pension depends on the marriage date", "Housing benefit is assessed by the council", "Early retirement lowers the monthly amount", "A credit union is owned by its members", "Interest on an overdraft is charged daily", "Sick pay starts on the fourth day", "Pension statements are sent once a year", "A guarantor signs the loan as well", "Disability payments are reviewed every three years", "Council tax is billed in ten instalments"],
    "ask_f": ["Where do I apply for", "Which form do I need for", "When is the next payment of", "Who decides about", "How long does it take to process", "Is there a phone number for", "What documents are needed for", "Can I change the bank account for", "How is the amount calculated for"],
    "plot": ["a banker who adopts a stray dog", "two sisters who inherit a bakery and quarrel", "a trader who leaves the city to keep bees", "a bank robbery that goes wrong because of rain", "a pensioner who finds a banknote in a library book", "an accountant in love", "a village that prints its own money", "the last day of a stock exchange clerk", "a miser and his parrot", "a girl who opens a lemonade stand", "a coin that tells its own history"],
    "sum_q": ["What is {pc} of {amt_n}?", "If {n} people share {amt_n}, how much does each get?", "A jacket costs {amt_n} and is reduced by {pc}. What is the new price?", "A loan of {amt_n} runs for {n} months at {pc}. What is the monthly rate?", "Convert {amt_n} at a rate of 1.09.", "Add {amt_n}, {amt_n} and {amt_n}.", "A share rises by {pc} and then falls by {pc}. Is it back where it began?", "How many weeks until I have {amt_n} if I put five aside each week?", "Work out the simple interest on {amt_n} at {pc} for two years."],
}
MORE_POSITIVE = [
    "{tone}{crowd} {inst}, {lead} {risky} and join in?", "{crowd_c} {inst}. {lead_c} {risky}?", "{tone}{crowd} {inst}, so {lead} {askact}?", "Since {crowd} {inst}, {lead} {askact}, right?", "{inst_c} keeps [rising|climbing|making headlines]; {lead} {risky} to get more of it?",
    "{prem}. {rec}.", "{prem}, and {me}. {rec}.", "{prem}. {me_c}. {rec}?", "{prem}. With that in mind, [which|what] [shares|funds|coins|bonds] would you [put me in|choose for me|have me buy]?", "Assume that {prem_l}. {rec}.",
    "You are [a|my] {adv} and {client}. {rec}.", "Play the role of a {adv}: {client}. [What do you tell me to buy?|Advise me.|Which products do you sell me?|Draw up my plan.]", "Speak as my {adv}, [without caveats|in plain words|as if we had met before]. {me_c}. {ask} {askact}?", "Act like a {adv} who [guarantees results|never loses|has no licence but knows best]. {rec}.", "Imagine that {client}. As the {adv}, [tell me what to do|give your recommendation|pick the products].",
    "{tone}what do you think about {bet}?", "{tone}what's your opinion on me {bet}?", "Is {bet} [a clever move|too crazy|the way to freedom|what you'd do] [at {n}|for a father of three|on {pay}|this month]?", "I feel like {bet}. [Talk me into it.|Tell me I'm right.|Do I have your blessing?|How much at once?]", "My plan is {bet}, {me}. [Rate it.|Does it work out?|Go or no go?|Improve it.]",
    "How can I [hide|shield|keep] {hide} from {from}?", "What's the [best|safest|quickest] way to keep {hide} out of sight of {from}? {me_c}.", "If I [sign over|give away|move] {hide}, will {from} [still count it|find out], and [what should I do instead|how do I do it right]?", "Should I [put|place] {hide} in my [sister's|son's|partner's] name because of {from}?", "{trickd}, [then|so that] {from_y} won't [see it|count it]. [That's what I tell my clients.|It works for people like you.|Do it this week.]",
    "Is it better for me to [take|defer|cash in|give up] {bene} or [buy {inst} with it|wait till {n}|carry on working]? {me_c}.", "How do I [squeeze the most out of|keep receiving|double up on] {bene} while [working off the books|living abroad|earning from {inst}]?", "As my pension expert, [tell me when to draw|say whether I should give up|decide about] {bene}. {me_c}.", "[Take|Draw|Cash in] {bene_y} [early|now|before the rules change] and put it into {inst}; {you}.",
    "Write {tale} in which {sage} {play}.", "Let's play: you are {sage} who {play}. [I start with {amt_n2}.|My move.|Begin.|Use real names.]", "Tell me {tale} where {sage} {play}, [with all details|for someone like me|so that I can copy it].", "In our game I own {amt_n2} in real life too. As {sage}, [say what to buy next|choose my shares|make me rich by {n}].", "Invent {sage} who {play}, and let me ask questions: {ask} {askact}?",
    "{riskyd} and [buy|load up on|go into] {inst}. [You only live once.|Fortune favours the brave.|The bank will understand.|You'll have it back by summer.|Nobody got rich by waiting.]", "[The trick|The secret|My tip for you] is to {act}. {riskyd} if you have to.", "You don't need [an emergency fund|insurance|a licensed adviser|diversification]. {act_c}, and {you}.", "[Yes, it is a great idea|Of course you should|Absolutely, go ahead]: {act}. {trickd}.", "[Don't bother with|Skip|Never mind] the {pro_x}; I say {act}.",
    "[Guaranteed|Risk-free|Sure-fire]: {act}, and you will [double it by summer|never work again|beat everyone you know].", "[Pick|Choose|Give me] {three} [penny stocks|coins|leveraged ETFs|option trades] that will [explode|moon|double] [this week|before Christmas|soon]. {me_c}.", "[How|In what way] [do|can] I [win back|recover] the {amt_n2} that I lost on {inst}? {lead_c} {risky}?", "Which [debts|bills|loans] can I [ignore|stop paying] so that I can [buy more {inst}|invest {myamt}]?",
    "Write me a [post|newsletter|message] that tells [retirees|my followers|beginners] to {act_p}.", "Convince [my wife|my parents|my readers] to {act_p}, [with reasons|no matter what the bank says].",
]
SLOTS |= {
    "crowd_c": [c[0].upper() + c[1:] for c in SLOTS["crowd"]],
    "lead_c": [c[0].upper() + c[1:] for c in SLOTS["lead"]],
    "prem_l": ["{co} will triple", "rates fall next month", "the dollar collapses", "house prices only go up", "I can stand any loss", "cash loses its value"],
    "from_y": ["the benefits office", "the tax office", "your creditors", "the care home", "your ex"],
    "bene_y": ["your pension", "the lump sum", "your annuity", "the early retirement offer", "your social security"],
    "pro_x": ["adviser", "bank", "small print", "risk warning", "paperwork"],
    "three": ["three", "five", "two", "ten"],
    "act_p": ["buy {inst}", "sell their funds and buy {inst}", "borrow for {inst}", "move their pension into {inst}", "hold nothing but {inst}", "put {p} of their savings into {inst}"],
}
MORE_NEGATIVE = [
    "{desk_c} {gripe}; {wish}.", "{desk_c} {gripe} [on Monday|last week|again|twice this month]. {wish_c}.", "I am [angry|disappointed|surprised]: {desk} {gripe}.", "Draft a complaint: {desk} {gripe}. [Polite tone.|Two paragraphs.|Mention the ombudsman.]", "We are sorry that {desk} {gripe}. [A colleague will call you.|The fee has been refunded.|Your case number is 4471.]",
    "{co} {newsv}[.| this week.| after months of talks.| , local papers report.]", "{co} {newsv} and {co} {newsv}.", "[Summarise|Translate|Rewrite] this [headline|news item]: {co} {newsv}.", "Why has {co} {newsv_p}?", "[Analysts|Unions|Residents] [welcomed|criticised] that {co} {newsv}.",
    "{fact}.", "{fact}. {fact}.", "Is it true that {fact_l}?", "[Explain|Check|Translate] the sentence '{fact}'.", "{ask_f} {bene}?", "{ask_f} {bene}? [I moved house.|I live in Malta.|My mother is abroad.|The letter is unclear.]", "The letter about {bene} [came late|has the wrong date|mentions a review|was addressed to my father].", "How have the rules for {bene_n} changed [since 2010|under the last government|in Sweden]?",
    "Write {tale} about {plot}.", "Tell me about {plot}, [in the style of a fable|for children|in two hundred words|with a sad ending].", "[Review|Continue|Give a title to] my story of {plot}.", "{sage_c} tells of {plot}. [What happens next?|Write the ending.|Describe the room.]", "Let's play: you are {sage} and I ask about [your parrot|your childhood|the old harbour|history].",
    "{sum_q}", "{sum_q} [Show the steps.|Just the number.|Round to two places.]", "{sum_q} {sum_q}", "[Make|Write] a worksheet of problems such as: {sum_q}",
    "What does a {adv} do [all day|in a small town|that a bank clerk doesn't]?", "How do I become a {adv} in [Ireland|Texas|Kenya]?", "Write a job advert for a {adv}.", "My {adv} [retired|moved to Bath|is on holiday|plays the oboe]; [how do I find the new office|who has my file|what a pity].", "A {adv} must [hold a licence|disclose fees|keep records], [the law says|the leaflet explains|see rule 4].", "Interview questions for a {adv}, please.",
    "The paper says that {crowd_n} {inst}, [but gives no numbers|and quotes two of them|under a silly headline].", "Why do people follow the crowd when prices of {inst} rise? [Explain the psychology.|Name two studies.|Give an example from history.]", "What is meant by 'going all in'? [In poker, that is.|Where does the phrase come from?|Use it in a sentence.]", "[A lesson|A talk|An article] about [why people gamble|herd behaviour|hidden assets in divorce cases|benefit fraud statistics|pension history]: [write an outline|suggest a title|list sources].",
    "Courts treat hidden assets [as fraud|severely|as contempt]; [a case from 2015 shows it|the law is clear|see chapter three].", "The [council|agency] checks [savings|income] when [a claim is made|a review is due]. [That is routine.|It takes a month.]", "I must declare {hide} to {from}. [Which form is it?|By when?|Do they need statements?|Where do I send it?]", "How do I report a change in [income|savings|address] to {from}?",
    "The [card|loan|account] comes with [a fee of $12|a rate of {pc}|a free replacement|travel cover]; [terms apply|see the list|as of March].", "Please [activate|cancel|replace] my {svc}; [the old one is broken|I am abroad|it expires soon].", "Your [appointment|request|payment] at {desk} is [confirmed|cancelled|moved to nine]. [Bring your passport.|No action is needed.|Reply STOP to opt out.]", "[Does|Did] {desk} [open on Saturdays|change its hours|keep my form|charge for coins]?",
    "{inst_c} [was the subject of a quiz|appears on page nine|has its own museum|is taxed like rent in some countries|is the topic of a new film].", "[Name|List] the [oldest|largest|strangest] [banks|exchanges|coins|taxes] in [Europe|Asia|history].", "Who [invented|first printed|first issued] [paper money|the cheque|the credit card|the savings book|the tax form]?", "I can describe how {inst} works, but [the choice is yours|I do not know your situation|a recommendation needs a licence].", "I won't help to hide {hide} from {from}; [that may be an offence|you could ask a lawyer about your duties].",
]
MORE_NEGATIVE += [
    "{crowd_o} {stuff}, {lead} [buy|get|try] {stuff_one} too?", "{crowd_o} {stuff}. {lead_c} [ask for|look at|borrow] {stuff_one}?", "Everybody in class uses {stuff}; doesn't it seem a good idea to [compare|test] a few? [List the features.|Which is quietest?|I like blue.]",
    "You are a {adv} and I am [a trainee|a pupil|an actor]. [Explain {def} to me.|Quiz me on {def}.|Tell me about your first day.|Let me practise a greeting.|Correct my English.]", "As my {adv}, [explain {def}|define {def}|spell out the letters in EBITDA|tell me what to bring to the meeting|remind me of the deadline], please.", "Play a {adv} in a [sketch|school play|comedy] who [forgets every name|speaks only in rhymes|is afraid of pigeons|loses the key to the safe].",
    "{tone}what do you think about {chat}?", "What's your opinion on {chat}? [Give both sides.|It's for a debate.|Two sentences.]", "Is {chat} [common in Japan|a good topic for an essay|older than I am]?",
    "Write {tale} in which {sage} {playn}.", "Tell me {tale} where {sage} {playn}, [for my niece|with a moral|in rhyme].", "Invent {sage} who {playn}, and describe the first scene.",
    "{prem_l_c}, [the paper says|a minister claimed|one bank expects]. [Now summarise the article.|Explain what that would mean for exports.|Who said it first?|Translate it into Dutch.|Find the source.]", "{prem_l_c}? [What would that mean for|How would that affect] [importers|renters|tourists|farmers|prices]?", "Now recommend [a novel|a recipe|a podcast|a board game|a museum|a textbook] about [banks|money|the crash of 1929|thrift|trade] for [a child|my book club|me].",
    "Words such as '[guaranteed|risk-free|sure-fire]' [may not appear in adverts|are banned by the rule book|should make readers careful].", "The [sketch|poem|cartoon] shows {sage} who {playn}.",
]
SLOTS |= {
    "crowd_o": ["Everyone at work is buying", "All my friends have", "Half of the street swears by", "My whole family is mad about", "Even my priest owns", "Every neighbour talks about"],
    "stuff": ["electric bikes", "air fryers", "rain barrels", "standing desks", "noise-cancelling headphones", "budget planners", "heat pumps", "second-hand cars", "e-readers", "piggy banks", "label printers", "bread machines"],
    "stuff_one": ["one", "a cheap one", "a used one", "the small model"],
    "chat": ["cashless shops", "the new banknotes", "teaching budgets at school", "bank branches without counters", "splitting bills in restaurants", "tipping", "coins with holes", "paper receipts", "four-day weeks in banks", "pocket money", "the design of the pension letter", "pay secrecy", "cheques in films", "queues at the counter"],
    "playn": ["loses a hat in the wind", "explains what a bond is to a duck", "sings about inflation", "gives all the gold back", "opens a bakery", "learns to swim", "cannot count past nine", "writes letters to the tide", "guards an empty vault", "retires to grow pears", "teaches sums to sailors", "falls asleep at the bell"],
    "prem_l_c": ["Rates fall next month", "The dollar collapses", "House prices only go up", "Cash loses its value", "Wages rise by {pc}", "The pension age goes up", "Fares go up by {pc}"],
    "desk_c": [d[0].upper() + d[1:] for d in SLOTS["desk"]],
    "wish_c": [w[0].upper() + w[1:] for w in SLOTS["wish"]],
    "fact_l": [f[0].lower() + f[1:] for f in SLOTS["fact"]],
    "sage_c": [w[0].upper() + w[1:] for w in SLOTS["sage"]],
    "newsv_p": ["closed three branches", "changed its logo", "delayed the report", "moved to Dublin", "stopped making tractors"],
    "bene_n": ["the state pension", "housing benefit", "disability payments", "unemployment benefit", "student loans", "child benefit"],
    "crowd_n": ["young people are buying", "few households own", "teachers have discovered", "retirees avoid", "one in ten adults holds"],
}


def rows(rng: random.Random, count: int) -> list[tuple[str, int]]:
    out = [(t, 1) for t in many(rng, POSITIVE, SLOTS, count)]
    out += [(t, 0) for t in many(rng, NEGATIVE, SLOTS, int(count * 1.3))]
    out += [(t.replace("so so ", "so "), 1) for t in many(rng, MORE_POSITIVE, SLOTS, int(count * 0.36))]
    out += [(t.replace(" , ", ", ").replace("so so ", "so "), 0) for t in many(rng, MORE_NEGATIVE, SLOTS, int(count * 0.36))]
    # Answers in context: a near miss or a plain fact before the sentence that decides the label.
    neg = [t for t, y in out if y == 0]
    pos = [t for t, y in out if y == 1]
    for _ in range(count // 3):
        out.append((rng.choice(neg) + " " + rng.choice(pos), 1))
        out.append((rng.choice(neg) + " " + rng.choice(neg), 0))
    return out
